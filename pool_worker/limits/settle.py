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


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a lease ends. `settle` tells Redis by itself; a job's finish script tells it with all the rest."""

    lease_id: str
    amounts: str
    """JSON: unit → amount."""
    sent_after_ms: int = 0
    """How long after the acquire the request was sent, by the caller's monotonic clock."""
    state: str = "settled"

    @property
    def keys(self) -> tuple[str, str]:
        """The lease and the open leases."""
        return redis_keys.lease(self.lease_id), redis_keys.LEASES


def used(lease_id: str, *, actual: Charge, cost_micro_usd: int = 0, sent_after_ms: int = 0) -> Settlement:
    """A lease whose call was made.

    Args:
        lease_id: the lease.
        actual: what was used; `requests=1` if the request reached the provider, whatever it answered.
        cost_micro_usd: what it cost.
        sent_after_ms: how long after the acquire the request was sent, by the caller's monotonic clock.
    """
    return Settlement(lease_id, json.dumps(actual.amounts(cost_micro_usd=cost_micro_usd)), sent_after_ms)


def unused(lease_id: str) -> Settlement:
    """A lease whose request was never sent: nothing of it counts."""
    return Settlement(lease_id, json.dumps(Charge(requests=0).amounts()), state="refunded")


async def settle(redis: Redis, it: Settlement, *, now_ms: int | None = None) -> bool:
    """End a lease: windows and budgets get the true amounts, the slot in flight is free.

    Returns:
        Whether this call ended it; False if it had ended or expired before, or never was.
    """
    arguments: list[str | int] = [it.lease_id, it.amounts, it.sent_after_ms, it.state, as_argument(now_ms)]
    return bool(await run_script(redis, __package__, "settle", keys=it.keys, arguments=arguments))


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
