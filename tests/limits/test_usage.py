"""What people and providers are told about windows, and whose clock counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from small_pool import NOON_MS, Limits, keys_of, provider, window

from pool_worker.limits.candidates import Charge
from pool_worker.limits.clock import ClockError, ask_with_calendars
from pool_worker.limits.usage import KeyWindowUse, spent_now, usage_now
from pool_worker.limits.windows import BudgetWindow
from pool_worker.lua import run_script
from pool_worker.registry import Key, Period, Unit

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


def uses(limits: Limits) -> list[KeyWindowUse]:
    found: list[KeyWindowUse] = limits.run(usage_now(limits.redis, limits.registry, now_ms=limits.now_ms))
    return found


def test_every_window_of_every_key_is_told(limits: Limits) -> None:
    limits.use(
        provider(
            "groq", window("sliding", limit=5), window("refill", limit=100, unit="tokens"), window("fixed", limit=50, per="day")
        ),
        keys=keys_of("groq", 2),
    )
    limits.settle(limits.take(Charge(input_tokens=40)), Charge(input_tokens=30))
    told = {(it.key_id, it.unit, it.per): (it.used, it.limit, it.resets_at_ms) for it in uses(limits)}
    guard_ms = 500
    assert told == {
        ("groq#1", Unit.REQUESTS, Period.MINUTE): (1, 5, NOON_MS + MINUTE_MS + guard_ms),
        ("groq#1", Unit.TOKENS, Period.MINUTE): (30, 100, NOON_MS + 18_000),
        ("groq#1", Unit.REQUESTS, Period.DAY): (1, 50, NOON_MS + DAY_MS // 2),
        ("groq#2", Unit.REQUESTS, Period.MINUTE): (0, 5, NOON_MS),
        ("groq#2", Unit.TOKENS, Period.MINUTE): (0, 100, NOON_MS),
        ("groq#2", Unit.REQUESTS, Period.DAY): (0, 50, NOON_MS + DAY_MS // 2),
    }
    limits.now_ms += DAY_MS
    assert {it.used for it in uses(limits)} == {0}


def test_reservations_are_part_of_what_is_used(limits: Limits) -> None:
    limits.use(provider("groq", *(window(kind, limit=100, unit="tokens", per="hour") for kind in ("sliding", "refill", "fixed"))))
    limits.take(Charge(input_tokens=40))
    assert [it.used for it in uses(limits) if it.unit is Unit.TOKENS] == [40, 40, 40]


def test_telling_changes_nothing(limits: Limits) -> None:
    limits.use(provider("groq", window("sliding", limit=5)))
    limits.take()
    limits.now_ms += 2 * MINUTE_MS
    before = limits.run(limits.redis.info("persistence"))["rdb_changes_since_last_save"]
    uses(limits)
    assert limits.run(limits.redis.info("persistence"))["rdb_changes_since_last_save"] == before


def test_a_keys_own_daily_limit_is_shown_and_only_where_it_has_one(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=5)), keys=(Key("groq#1", "groq", daily_limit=7), Key("groq#2", "groq")))
    assert [(it.key_id, it.limit) for it in uses(limits) if it.per is Period.DAY] == [("groq#1", 7)]


def test_budgets_tell_what_is_spent(limits: Limits) -> None:
    limits.use(provider("openai"))
    budgets = (BudgetWindow("all", 1_000), BudgetWindow("agent:x", 1_000))
    limits.settle(limits.take(cost_micro_usd=400, budgets=budgets), cost_micro_usd=150)
    limits.settle(limits.take(cost_micro_usd=100, budgets=budgets[:1]), cost_micro_usd=100)
    limits.take(cost_micro_usd=100, budgets=budgets)  # reserved, not spent
    assert limits.run(spent_now(limits.redis, budgets, now_ms=limits.now_ms)) == [250, 150]


def test_a_script_refuses_calendars_of_another_time(limits: Limits) -> None:
    now = limits.now_ms
    for start, end in ((now + 1, now + 99_999), (now - 1, now), (now - 1, now + 500)):
        spec = f'{{"windows": [], "guard_ms": 500, "calendars": {{"day@UTC": [[{start}, {end}]]}}}}'
        assert limits.run(run_script(limits.redis, "pool_worker.limits", "usage", arguments=[spec, now])) == ["clock", now]


def test_the_second_question_goes_by_redis_clock() -> None:
    asked: list[int] = []

    async def ask(clock_ms: int) -> list[Any]:
        asked.append(clock_ms)
        return ["lease"] if clock_ms == 7_000 else ["clock", 7_000]

    assert asyncio.run(ask_with_calendars(ask, now_ms=5_000)) == ["lease"]
    assert asked == [5_000, 7_000]


def test_a_clock_that_keeps_jumping_is_an_error() -> None:
    async def ask(clock_ms: int) -> list[Any]:
        return ["clock", clock_ms + 99]

    with pytest.raises(ClockError, match="jumped"):
        asyncio.run(ask_with_calendars(ask))
