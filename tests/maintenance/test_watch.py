"""People are warned of quotas and budgets that run out: once for each threshold, and again in the next period."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from small_worker import SmallWorker

from pool_worker import redis_keys
from pool_worker.ledger.rows import AlertRow
from pool_worker.maintenance.watch import check_budgets, check_dead_letters, check_quotas
from pool_worker.registry import Agent, Budget, Period, Unit, Window, WindowKind

TWENTY_A_DAY = Window(Unit.REQUESTS, 20, Period.DAY, WindowKind.FIXED)


def warned(worker: SmallWorker) -> list[str]:
    """Titles of the alerts that were told since this was asked last."""
    titles = [f"{row.severity}: {row.title}" for row in worker.rows(AlertRow)]
    worker.redis.delete(redis_keys.OUTBOX)
    return titles


@pytest.fixture
def twenty_a_day(worker: SmallWorker) -> SmallWorker:
    registry = worker.pool.registry
    minute = Window(Unit.REQUESTS, 20, Period.MINUTE, WindowKind.SLIDING)
    worker.configure(
        providers={"groq": replace(registry.providers["groq"], limits=(TWENTY_A_DAY, minute))},
        models={"groq-small": registry.models["groq-small"]},
        keys=tuple(key for key in registry.keys if key.id == "groq#1"),
    )
    return worker


def call(worker: SmallWorker, times: int) -> None:
    for _ in range(times):
        worker.submit()
        assert worker.complete().startswith("succeeded")


def test_a_daily_quota_is_warned_of_once_at_each_threshold(twenty_a_day: SmallWorker) -> None:
    worker = twenty_a_day
    told = []
    for calls in (14, 1, 1, 2, 1):
        call(worker, calls)
        for _ in range(2):
            worker.run(check_quotas(worker.pool))
            told.append(warned(worker))
    assert told == [
        *([], []),
        *(["warning: groq#1: 75% of its requests per day are used"], []),
        *([], []),
        *(["warning: groq#1: 90% of its requests per day are used"], []),
        *([], []),
    ]


def test_a_minutes_quota_is_nobodys_business(twenty_a_day: SmallWorker) -> None:
    worker = twenty_a_day
    registry = worker.pool.registry
    only_minute = tuple(window for window in registry.providers["groq"].limits if window.per is Period.MINUTE)
    worker.configure(providers={"groq": replace(registry.providers["groq"], limits=only_minute)})
    call(worker, 19)
    assert worker.run(check_quotas(worker.pool)) == 0
    assert warned(worker) == []


def test_the_warning_says_how_much_is_left_and_until_when(twenty_a_day: SmallWorker) -> None:
    call(twenty_a_day, 15)
    assert twenty_a_day.run(check_quotas(twenty_a_day.pool)) == 1
    (alert,) = twenty_a_day.rows(AlertRow)
    midnight = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0)
    assert alert.message == f"15 of 20 on small; resets at {midnight:%Y-%m-%d %H:%M} UTC"
    assert alert.source == "quota"


def spend(worker: SmallWorker, jobs: int) -> Decimal:
    for _ in range(jobs):
        worker.submit(model="openai-small", max_tokens=10)
        assert worker.complete().startswith("succeeded")
    worker.redis.delete(redis_keys.OUTBOX)
    return worker.bill_usd()


@pytest.mark.parametrize(
    ("share", "titles"),
    [
        ("0.79", []),
        ("0.81", ["warning: 80% of today's budget (all) are spent"]),
        ("1.01", ["warning: 80% of today's budget (all) are spent", "critical: 100% of today's budget (all) are spent"]),
    ],
)
def test_a_budget_is_told_of_at_its_threshold_and_at_its_end(worker: SmallWorker, share: str, titles: list[str]) -> None:
    spent = spend(worker, 1)
    worker.configure(budget=Budget(daily_usd=spent / Decimal(share)))
    worker.run(check_budgets(worker.pool))
    assert warned(worker) == titles
    worker.run(check_budgets(worker.pool))
    assert warned(worker) == [], "once"
    now = worker.pool.now
    worker.pool.now = lambda: now() + timedelta(days=1)
    worker.run(check_budgets(worker.pool))
    assert warned(worker) == titles, "and again on another day"


@pytest.mark.parametrize(("pauses", "words"), [(True, "; paid models are paused until tomorrow"), (False, "")])
def test_it_says_what_happens_now(worker: SmallWorker, *, pauses: bool, words: str) -> None:
    worker.configure(budget=Budget(auto_pause=pauses))
    spent = spend(worker, 1)
    worker.configure(budget=Budget(daily_usd=spent, auto_pause=pauses))
    worker.run(check_budgets(worker.pool))
    assert worker.rows(AlertRow)[-1].message == f"{spent:.2f} of {spent:.2f} USD{words}"


def test_an_agents_budget_is_watched_too(worker: SmallWorker) -> None:
    agents = {name: Agent(id=name, daily_budget_usd=Decimal("0.3")) for name in ("log_analyzer", "ai_manager")}
    worker.configure(agents=agents)
    spend(worker, 1)
    assert worker.run(check_budgets(worker.pool)) == 1
    assert warned(worker) == ["warning: 80% of today's budget (agent:log_analyzer) are spent"]


def test_without_a_budget_there_is_nothing_to_tell(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(daily_usd=Decimal(0)))
    assert worker.run(check_budgets(worker.pool)) == 0


def test_dead_letters_are_told_of_until_there_are_none(worker: SmallWorker) -> None:
    told = []
    for letters in ({}, {"one": 1}, {"one": 1, "two": 2}, {}, {}, {"three": 3}):
        worker.redis.delete(redis_keys.DEAD_LETTERS)
        if letters:
            worker.redis.zadd(redis_keys.DEAD_LETTERS, letters)
        assert worker.run(check_dead_letters(worker.pool)) == len(letters)
        told += warned(worker)
    there_are = "warning: there are dead letters"
    assert told == [there_are, "info: there are no dead letters any more", there_are]
