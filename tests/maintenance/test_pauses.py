"""People are told of a budget that refuses calls though something is left of it, why, and that it is over."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from small_worker import CHEAP, SmallWorker

from pool_worker import redis_keys
from pool_worker.ledger.rows import AlertRow
from pool_worker.maintenance.watch import check_budgets
from pool_worker.registry import Agent, Budget

A_JOB = Decimal("0.28")
"""What a job of ten tokens costs on the paid model, about."""
TOO_LITTLE = "critical: what is left of today's budget (all) is too little"
OVER = "info: what was told of the rest of the budget (all) is over"


def told(worker: SmallWorker) -> list[str]:
    """Severity and title of the alerts that were told since this was asked last, but for those at 80 %."""
    worker.run(check_budgets(worker.pool))
    titles = [
        f"{row.severity}: {row.title}" for row in worker.rows(AlertRow) if "%" not in row.title or row.severity == "critical"
    ]
    worker.redis.delete(redis_keys.OUTBOX)
    return titles


def buy(worker: SmallWorker, **options: object) -> str:
    worker.submit(**{"model": "openai-small", "max_tokens": 10} | options)
    return worker.complete()


def a_rest_of_half_a_job(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.5")))
    assert buy(worker).startswith("succeeded")
    assert told(worker) == [], "nobody has asked for more"


@pytest.mark.parametrize("asked", [{}, {"on_exhausted": "fail"}, {"on_exhausted": "degrade"}, {"model": None, "tier": "paid"}])
def test_whatever_becomes_of_the_jobs(worker: SmallWorker, asked: dict[str, str]) -> None:
    a_rest_of_half_a_job(worker)
    buy(worker, **asked)
    assert told(worker) == [TOO_LITTLE]
    buy(worker, **asked)
    assert told(worker) == [], "once"


def test_it_says_how_much_is_left_and_how_much_a_call_may_need(worker: SmallWorker) -> None:
    a_rest_of_half_a_job(worker)
    buy(worker)
    worker.run(check_budgets(worker.pool))
    words = worker.rows(AlertRow)[-1].message
    said = re.fullmatch(
        r"(0\.\d{4}) of 0\.42 USD are left, .* may need (0\.\d{4}); paid models are paused until tomorrow.*", words
    )
    assert said, words
    assert said[1] == f"{A_JOB * Decimal('1.5') - worker.bill_usd():.4f}" < said[2]


def test_it_is_over_with_the_day_and_with_a_larger_budget(worker: SmallWorker) -> None:
    a_rest_of_half_a_job(worker)
    buy(worker)
    assert told(worker) == [TOO_LITTLE]
    worker.configure(budget=Budget(daily_usd=A_JOB * 3))
    assert told(worker) == [OVER]
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.5")))
    assert told(worker) == [TOO_LITTLE]
    for name in worker.redis.scan_iter(f"{redis_keys.budget('*')}:refused"):
        worker.redis.delete(name)  # as another day has none yet
    now = worker.pool.now
    worker.pool.now = lambda: now() + timedelta(days=1)
    assert told(worker) == [OVER]


def test_of_a_raised_budget_it_is_told_anew(worker: SmallWorker) -> None:
    a_rest_of_half_a_job(worker)
    buy(worker)
    assert told(worker) == [TOO_LITTLE]
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.6")))
    assert told(worker) == [OVER, TOO_LITTLE]


def test_it_is_told_anew_when_much_smaller_calls_are_refused(worker: SmallWorker) -> None:
    worker.configure(models={**worker.pool.registry.models, CHEAP.id: CHEAP})
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.15")))
    buy(worker)
    buy(worker)
    assert told(worker) == [TOO_LITTLE]
    for max_tokens, expected in ((100, []), (30, [OVER, TOO_LITTLE]), (25, [])):
        assert buy(worker, model=CHEAP.id, max_tokens=max_tokens).startswith("parked")
        assert told(worker) == expected, max_tokens


def test_a_job_for_which_a_whole_day_is_too_little_pauses_nobody_and_hides_nothing(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.5")))
    assert buy(worker, max_tokens=4000).startswith("failed: BudgetExceededError")
    assert told(worker) == [], "its error tells it"
    buy(worker)
    buy(worker)
    assert told(worker) == [TOO_LITTLE]
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.05")))
    assert told(worker) == [OVER], "what was refused is more than the lowered budget"


def test_whose_budget_it_is(worker: SmallWorker) -> None:
    bound = A_JOB * Decimal("1.5")
    registry = worker.pool.registry
    model = replace(registry.models["openai-small"], daily_budget_usd=bound)
    (key,) = registry.keys_of("openai")
    worker.configure(agents={"log_analyzer": Agent(id="log_analyzer", daily_budget_usd=bound)})
    buy(worker)
    buy(worker)
    worker.configure(agents={}, models={model.id: model})
    buy(worker)
    buy(worker)
    worker.configure(models={model.id: replace(model, daily_budget_usd=None)}, keys=(replace(key, daily_budget_usd=bound),))
    buy(worker)
    buy(worker)
    worker.configure(agents={"log_analyzer": Agent(id="log_analyzer", daily_budget_usd=bound)}, models={model.id: model})
    worker.run(check_budgets(worker.pool))
    messages = [row.message for row in worker.rows(AlertRow) if row.severity == "critical"]
    paused = (
        "paid models are paused for agent log_analyzer",
        "model openai-small is paused",
        "key openai#1 is not used for paid calls",
    )
    assert [words in message for words, message in zip(paused, messages, strict=True)] == [True] * 3
    assert told(worker) == [
        TOO_LITTLE.replace("all", scope) for scope in ("agent:log_analyzer", "model:openai-small", "key:openai#1")
    ]


def test_money_that_is_merely_reserved_pauses_nobody(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("2.5")))
    worker.simulator.fault("openai", "slow", delay_s=0.3, count=1)
    worker.submit(model="openai-small", max_tokens=200)
    worker.submit(model="openai-small", max_tokens=10)

    async def meanwhile() -> str:
        first = asyncio.create_task(worker.work_on(worker.claim()))
        while not await asyncio.to_thread(worker.in_flight):
            pass
        second = await worker.work_on(worker.claim())
        await check_budgets(worker.pool)
        await first
        return second

    assert worker.run(meanwhile()) == "parked: budget all: money per day"
    assert told(worker) == []


def test_a_budget_that_is_wholly_spent_is_told_of_as_that(worker: SmallWorker) -> None:
    buy(worker)
    buy(worker)
    worker.configure(budget=Budget(daily_usd=worker.bill_usd()))
    assert buy(worker).startswith("parked")
    assert told(worker) == ["critical: 100% of today's budget (all) are spent"]


def test_where_budgets_only_count_nobody_is_paused(worker: SmallWorker) -> None:
    a_rest_of_half_a_job(worker)
    buy(worker)
    worker.configure(budget=replace(worker.pool.registry.budget, auto_pause=False))
    assert told(worker) == []
