"""Ending leases: with what was really used, with nothing (never sent), or at their estimate (nobody came back)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.limits.candidates import Charge
from pool_worker.limits.clock import as_argument
from pool_worker.lua import run_script


@dataclass(frozen=True, slots=True)
class Expired:
    """A lease whose holder did not end it before its deadline."""

    lease_id: str
    job_id: str
    key_id: str


async def settle(
    redis: Redis,
    lease_id: str,
    *,
    actual: Charge,
    cost_micro_usd: int = 0,
    sent_after_ms: int = 0,
    now_ms: int | None = None,
) -> bool:
    """End a lease: windows and budgets get the true amounts, the slot in flight is free.

    Args:
        redis: where the lease is.
        lease_id: the lease.
        actual: what was used; `requests=1` if the request reached the provider, whatever it answered.
        cost_micro_usd: what it cost.
        sent_after_ms: how long after the acquire the request was sent, by the caller's monotonic clock.
        now_ms: the time, in tests.

    Returns:
        Whether this call ended it; False if it had ended or expired before, or never was.
    """
    return await _end(
        redis, lease_id, amounts=actual.amounts(cost_micro_usd=cost_micro_usd), sent_after_ms=sent_after_ms, state="settled",
        now_ms=now_ms,
    )  # fmt: skip


async def refund(redis: Redis, lease_id: str, *, now_ms: int | None = None) -> bool:
    """End a lease whose request was never sent: nothing of it counts. Returns whether this call ended it."""
    return await _end(redis, lease_id, amounts=Charge(requests=0).amounts(), sent_after_ms=0, state="refunded", now_ms=now_ms)


async def expire(redis: Redis, *, limit: int = 100, now_ms: int | None = None) -> list[Expired]:
    """End up to `limit` leases whose deadline has passed, at their estimate: their calls may have been made."""
    ended: list[str] = await run_script(
        redis,
        __package__,
        "expire",
        keys=[redis_keys.LEASES],
        arguments=[redis_keys.lease(""), limit, as_argument(now_ms)],
    )
    return [Expired(*ended[i : i + 3]) for i in range(0, len(ended), 3)]


async def _end(
    redis: Redis, lease_id: str, *, amounts: dict[str, int], sent_after_ms: int, state: str, now_ms: int | None
) -> bool:
    answer = await run_script(
        redis,
        __package__,
        "settle",
        keys=[redis_keys.lease(lease_id), redis_keys.LEASES],
        arguments=[lease_id, json.dumps(amounts), sent_after_ms, state, as_argument(now_ms)],
    )
    return bool(answer)
