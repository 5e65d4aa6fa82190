"""Believing a provider: when it says that more of a window is used than we counted, we count that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from pool_worker.limits.candidates import Candidate
from pool_worker.limits.clock import as_argument, ask_with_calendars
from pool_worker.limits.windows import GUARD_MS, CountedWindow, Terms, calendars_of, window_facts
from pool_worker.lua import run_script
from pool_worker.registry import Key, Period, Unit


@dataclass(frozen=True, slots=True)
class Observed:
    """What a provider said of one window: how much of it remains."""

    unit: Unit
    per: Period
    remaining: int


async def observe(redis: Redis, candidate: Candidate, key: Key, observed: Observed, *, now_ms: int | None = None) -> int:
    """Raise the count of every configured window of this unit and period until no more than `remaining` is left in it.

    Never lowers one: calls in flight are counted here and not yet there.

    Returns:
        By how much the counts were raised, all together; 0 too if no such window is configured.
    """
    terms = Terms.of(candidate.model, candidate.provider)
    same = [it for it in candidate.counted() if (it.window.unit, it.window.per) == (observed.unit, observed.per)]
    return sum([await _raise(redis, counted, key, terms, observed.remaining, now_ms=now_ms) for counted in same])


async def _raise(redis: Redis, counted: CountedWindow, key: Key, terms: Terms, remaining: int, *, now_ms: int | None) -> int:
    window = window_facts(counted, terms) | {"group": key.group}
    if key.daily_limit is not None:
        window["daily_limit"] = key.daily_limit

    async def ask(clock_ms: int) -> Any:
        periods = calendars_of([counted], from_ms=clock_ms, until_ms=clock_ms + GUARD_MS)
        spec = {"window": window, "remaining": remaining, "guard_ms": GUARD_MS, "calendars": periods}
        return await run_script(redis, __package__, "observe", arguments=[json.dumps(spec), as_argument(now_ms)])

    (raised,) = await ask_with_calendars(ask, now_ms=now_ms)
    return int(raised)
