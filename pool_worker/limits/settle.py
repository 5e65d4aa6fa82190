"""Ending leases: with what was really used, with nothing (never sent), or at their estimate (nobody came back)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.ledger.rows import Entry
from pool_worker.limits.candidates import Charge
from pool_worker.limits.clock import as_argument
from pool_worker.limits.performance import Seen
from pool_worker.limits.periods import period_ms
from pool_worker.lua import run_script
from pool_worker.observed import Observed


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A lease whose holder has not ended it before its deadline."""

    lease_id: str
    job_id: str
    model_id: str
    key_id: str
    acquired_ms: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a lease ends. `settle` tells Redis by itself; a job's finish script tells it with all the rest."""

    lease_id: str
    ending: str
    """JSON, as `lua/leases.lua` reads it."""

    @property
    def keys(self) -> tuple[str, str, str]:
        """The lease, the open leases, and how well models answer."""
        return redis_keys.lease(self.lease_id), redis_keys.LEASES, redis_keys.PERFORMANCE


@dataclass(frozen=True, slots=True)
class Well:
    """Who has shown by a successful call that it is well."""

    health: tuple[str, str]
    """Redis keys of the health of the provider and of the key."""
    forgets: tuple[str, str]
    """Redis keys of the provider's falls and of its checks in vain."""
    by: int
    """Points that the call is worth."""


def used(
    lease_id: str,
    *,
    actual: Charge,
    cost_micro_usd: int = 0,
    sent_after_ms: int = 0,
    observed: Iterable[Observed] = (),
    well: Well | None = None,
    seen: Seen | None = None,
) -> Settlement:
    """A lease whose call was made.

    Args:
        lease_id: the lease.
        actual: what was used; `requests=1` if the request reached the provider, whatever it answered.
        cost_micro_usd: what it cost.
        sent_after_ms: how long after the acquire the request was sent, by the caller's monotonic clock.
        observed: what the provider said of its windows, the best source last: windows that it says are fuller are
            counted as full as that, and a limit that is lower than the configured one is kept to.
        well: who has done well by this call; None if nobody has.
        seen: what the call says about its model.
    """
    ending = _ending("settled", actual.amounts(cost_micro_usd=cost_micro_usd), sent_after_ms=sent_after_ms, seen=seen)
    if said := [_said(window) for window in observed]:
        ending["said"] = said
    if well is not None:
        ending["well"] = asdict(well)
    return Settlement(lease_id, json.dumps(ending, separators=(",", ":")))


def _ending(state: str, actual: Mapping[str, int], *, sent_after_ms: int, seen: Seen | None) -> dict[str, Any]:
    ending: dict[str, Any] = {"state": state, "actual": actual, "sent_after_ms": sent_after_ms}
    if seen is not None:
        ending["seen"] = {"model": seen.model_id, "cell": seen.cell}
    return ending


def _said(window: Observed) -> dict[str, str | int]:
    facts: dict[str, str | int | None] = {
        "unit": window.unit.value,
        "period_ms": period_ms(window.per),
        "limit": window.limit,
        "remaining": window.remaining,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def unused(lease_id: str, *, seen: Seen | None = None) -> Settlement:
    """A lease whose request was never sent: nothing of it counts. `seen`: what that says about its model all the same."""
    return Settlement(lease_id, json.dumps(_ending("refunded", Charge(requests=0).amounts(), sent_after_ms=0, seen=seen)))


async def settle(redis: Redis, it: Settlement, *, row: Entry | None = None, now_ms: int | None = None) -> bool:
    """End a lease: windows and budgets get the true amounts, the slot in flight is free, the row of its call is in the outbox.

    Returns:
        Whether this call ended it; False if it had ended or expired before, or never was.
    """
    keys = [*it.keys, redis_keys.OUTBOX]
    arguments: list[str | int] = [it.lease_id, it.ending, as_argument(now_ms), *(row or ())]
    return bool(await run_script(redis, __package__, "settle", keys=keys, arguments=arguments))


async def find_lapsed(redis: Redis, *, limit: int = 100, now_ms: int | None = None) -> list[Lapsed]:
    """Up to `limit` leases whose deadline has passed, the earliest first."""
    arguments: list[str | int] = [redis_keys.lease(""), limit, as_argument(now_ms)]
    facts = await run_script(redis, __package__, "lapsed", keys=[redis_keys.LEASES], arguments=arguments)
    by_lease = zip(*[iter(facts)] * 5, strict=True)
    return [Lapsed(lease, job, model, key, int(acquired_ms or 0)) for lease, job, model, key, acquired_ms in by_lease]


async def expire(redis: Redis, leases: Sequence[Lapsed], *, rows: Mapping[str, Entry], now_ms: int | None = None) -> list[str]:
    """End leases at their estimate: their calls may have been made. Those that were ended meanwhile stay as they are.

    Of each that ends, its row (if `rows` has one for its id) goes into the outbox in the same step.

    Returns:
        The ids of those that ended here.
    """
    parts = [part for lease in leases for part in (lease.lease_id, *rows.get(lease.lease_id, ("", "", "")))]
    ended: list[str] = await run_script(
        redis,
        __package__,
        "expire",
        keys=[redis_keys.LEASES, redis_keys.OUTBOX],
        arguments=[redis_keys.lease(""), as_argument(now_ms), *parts],
    )
    return ended
