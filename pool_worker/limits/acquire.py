"""Taking a lease: permission to make one call, with everything that the call will use up reserved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.limits.candidates import Candidate
from pool_worker.limits.clock import as_argument, ask_with_calendars
from pool_worker.limits.holds import key_scope
from pool_worker.limits.settle import settle, unused
from pool_worker.limits.windows import GUARD_MS, LONGEST_LEASE_MS, BudgetWindow, budget_facts, calendars_of, key_budget_facts
from pool_worker.lua import run_script


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A model that was not asked for capacity: it, or its provider, has failed of late."""

    model_id: str
    until_ms: int | None
    """By Redis's clock; None: it recovers, and takes only some of the calls."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Permission to make one call. Its id is the fencing token: whoever settles it first ends it."""

    id: str
    job_id: str
    candidate: Candidate
    key_id: str
    """The provider's id where the provider needs no key."""
    group: str
    acquired_ms: int
    """By Redis's clock. The request must be on its way within `GUARD_MS` of the acquire, else refund and ask again."""
    deadline_ms: int
    percent_used: int = 0
    """How full the fullest of the key's windows of a day or longer is with this call."""
    fullest_window: str = ""
    """Which one it is: `requests per day`."""
    success_is_news: bool = False
    """Whether its provider or key has failed of late and is not wholly well again."""
    left_alone: tuple[LeftAlone, ...] = ()
    """Of those before the candidate."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The first free candidate is served by workers of another queue. Nothing is reserved."""

    queue: str
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What is in the way of one model."""

    until_ms: int
    """The earliest time at which it may be free for this job."""
    who: str
    """The key, model, provider or budget that is free then."""
    what: str
    """`requests per minute`, or the reason of a hold; empty: it was not looked at closely, as another is free sooner."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Nobody is free. Nothing is reserved."""

    retry_at_ms: int | None
    """The earliest time at which a candidate may be free for this job; None: none ever will be."""
    reason: str
    """`groq#3: requests per minute`."""
    who: str
    """The key, model, provider or budget that is free first."""
    too_large: tuple[str, ...] = ()
    """Ids of the models that this job can never fit."""
    obstacles: Mapping[str, Obstacle] = field(default_factory=dict)
    """Model id → what is in its way; of all that were asked, but for those that are too large."""
    left_alone: tuple[LeftAlone, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """The line in which a job would wait: it takes nothing from those that wait there already and are as urgent."""

    due: str
    """Redis key of who is due in it (`redis_keys.parked_due`)."""
    record: str
    """Redis key of the job's record, which tells whether it was let go from there."""
    lane: str
    priority: int
    """Celery's number of the job's priority."""


@dataclass(frozen=True, slots=True)
class Others:
    """Others wait for the same capacity and come first. Nothing is reserved."""

    now_ms: int
    """By Redis's clock."""


@dataclass(frozen=True, slots=True)
class Unenrolled:
    """Redis does not know the keys of a provider (it is new, or Redis was emptied): enroll, then ask again."""

    provider: str


Answer = Lease | Elsewhere | Exhausted | Others | Unenrolled


class LeaseEndedError(ValueError):
    """A lease of this id was taken and has ended: a new call needs a new id."""


_ALWAYS = {
    "keep_ms": LONGEST_LEASE_MS * 24,
    "facts": redis_keys.key_facts(""),
    "key_hold": redis_keys.hold(key_scope("")),
    "key_health": redis_keys.health(key_scope("")),
    "spending_known": redis_keys.SPENDING_KNOWN,
}
"""What the script is told in every call: names of redis keys, and how long it keeps a lease that nobody ends."""


async def acquire(
    redis: Redis,
    candidates: Sequence[Candidate],
    *,
    lease_id: str,
    job_id: str,
    ttl_ms: int,
    served_queues: frozenset[str],
    budgets: Sequence[BudgetWindow] = (),
    line: Line | None = None,
    guard_ms: int = GUARD_MS,
    now_ms: int | None = None,
) -> Answer:
    """Reserve one call on the first candidate that is free, or nothing. One round trip; asking again with the same id is safe.

    Who is cancelled meanwhile leaves nothing reserved, if `redis` carries commands out in the order in which they are asked.

    Raises:
        LeaseEndedError: if the lease of this id has already ended.
        ValueError: if `ttl_ms` is not between 1 and an hour.
        ClockError: if Redis's clock jumps meanwhile.
    """
    if not 0 < ttl_ms <= LONGEST_LEASE_MS:
        msg = f"lease {lease_id}: ttl_ms must be between 1 and {LONGEST_LEASE_MS}, not {ttl_ms}"
        raise ValueError(msg)
    call = _call(candidates, lease_id=lease_id, job_id=job_id, ttl_ms=ttl_ms, guard_ms=guard_ms, budgets=budgets, line=line)
    call["served"] = [candidate.queue in served_queues for candidate in candidates]
    counted = {window for candidate in candidates for window in candidate.counted()}
    money = [*budgets, *(candidate.budget for candidate in candidates if candidate.budget)]

    async def ask(clock_ms: int) -> Any:
        periods = calendars_of(counted, money, from_ms=clock_ms, until_ms=clock_ms + ttl_ms + guard_ms)
        return await run_script(
            redis,
            __package__,
            "acquire",
            keys=[redis_keys.lease(lease_id), redis_keys.LEASES, *(name for it in candidates for name in it.redis_keys())],
            arguments=[
                json.dumps(call | {"calendars": periods}, separators=(",", ":")),
                *(candidate.as_json() for candidate in candidates),
                as_argument(now_ms),
            ],
        )

    try:
        answer = await ask_with_calendars(ask, now_ms=now_ms)
    except asyncio.CancelledError:
        # What was asked has been sent: Redis may have granted a lease that nobody will ever hear of.
        await asyncio.shield(settle(redis, unused(lease_id), now_ms=now_ms))
        raise
    return _answer(answer, candidates, lease_id=lease_id)


def _call(
    candidates: Sequence[Candidate],
    *,
    lease_id: str,
    job_id: str,
    ttl_ms: int,
    guard_ms: int,
    budgets: Sequence[BudgetWindow],
    line: Line | None,
) -> dict[str, Any]:
    """What the script is told of the call itself; see `lua/acquire.lua`."""
    call: dict[str, Any] = {
        "lease_id": lease_id,
        "job_id": job_id,
        "ttl_ms": ttl_ms,
        "guard_ms": guard_ms,
        "amounts": [candidate.amounts() for candidate in candidates],
        "budgets": [budget_facts(budget) for budget in budgets],
        **_ALWAYS,
    }
    if budgets:
        call["key_budget"] = key_budget_facts(budgets[0].timezone)
    if line is not None:
        call["line"] = asdict(line)
    return call


def _answer(answer: list[Any], candidates: Sequence[Candidate], *, lease_id: str) -> Answer:
    kind, *facts = answer
    if kind == "lease":
        model_id, key_id, group, acquired_ms, deadline_ms, job_id, percent, fullest, is_news, left_alone = facts
        candidate = next(it for it in candidates if it.model.id == model_id)
        passed = _left_alone(left_alone, candidates)
        return Lease(lease_id, job_id, candidate, key_id, group, acquired_ms, deadline_ms, percent, fullest, is_news == 1, passed)
    if kind == "elsewhere":
        candidate = candidates[facts[0]]
        return Elsewhere(candidate.queue, candidate)
    if kind == "line":
        return Others(facts[0])
    if kind == "unenrolled":
        return Unenrolled(facts[0])
    if kind == "ended":
        msg = f"lease {lease_id} is {facts[0]}"
        raise LeaseEndedError(msg)
    retry_at, who, what, never, firsts, left_alone = facts
    too_large = tuple(candidates[index].model.id for index in never)
    if retry_at == "":
        return _never(firsts, too_large)
    obstacles = {it.model.id: Obstacle(*first) for it, first in zip(candidates, firsts, strict=True) if first[0] != ""}
    return Exhausted(retry_at, f"{who}: {what}", who, too_large, obstacles, _left_alone(left_alone, candidates))


def _left_alone(facts: list[tuple[int, int]], candidates: Sequence[Candidate]) -> tuple[LeftAlone, ...]:
    return tuple(LeftAlone(candidates[index].model.id, until_ms or None) for index, until_ms in facts)


def _never(firsts: Sequence[tuple[Any, str, str]], too_large: tuple[str, ...]) -> Exhausted:
    """Time mends nothing: a budget that is no day's is spent, or the job is too large."""
    for _, who, what in firsts:
        if who:
            return Exhausted(None, f"{who}: {what}", who, too_large)
    return Exhausted(None, f"too large for {', '.join(too_large)}" if too_large else "no candidate has a key", "", too_large)
