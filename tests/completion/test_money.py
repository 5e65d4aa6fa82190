"""What jobs cost, and what they may: the books agree with the provider's bill, and nothing is bought beyond the budget."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from small_worker import CHEAP, SmallWorker
from sqlalchemy import select

from pool_client import BudgetExceededError, JobState
from pool_client import redis_keys as shared_keys
from pool_worker.budget import budgets_of, spent_fractions
from pool_worker.ledger.database import open_database
from pool_worker.ledger.rows import AttemptRow, EventRow, JobRow
from pool_worker.ledger.tables import agent_events
from pool_worker.ledger.writer import drain
from pool_worker.limits.usage import spent_now
from pool_worker.maintenance.books import write_ledger
from pool_worker.registry import Agent, Budget, Price
from pool_worker.resources.money import know_spending

ANALYZER = Agent(id="log_analyzer", daily_budget_usd=Decimal(9))
A_JOB = Decimal("0.28")
"""What a job of ten tokens costs on the paid model, about."""


def buy(worker: SmallWorker, **options: Any) -> str:
    worker.submit(**{"model": "openai-small", "max_tokens": 10} | options)
    return worker.complete()


def spent_usd(worker: SmallWorker) -> Decimal:
    (everybody, *_) = budgets_of(worker.pool.registry, "")
    (spent,) = worker.run(spent_now(worker.pool.redis, [everybody]))
    return Decimal(spent) / 1_000_000


def test_the_sum_of_the_books_is_the_bill(worker: SmallWorker) -> None:
    """Successes, refusals that cost nothing, and calls that were charged though nothing useful came back."""
    per_call = Price(usd_per_request=Decimal("0.25"))
    models = {name: replace(model, price=per_call) for name, model in worker.pool.registry.models.items()}
    worker.configure(models=models)
    worker.simulator.fault("groq", "garbage", count=1)
    worker.simulator.fault("groq", "reset", count=1)
    worker.simulator.fault("groq", "status", status=500, count=1)
    worker.simulator.fault("cerebras", "html", count=1)
    worker.simulator.fault("cerebras", "status", status=429, count=1)
    worker.simulator.fault("mistral", "cut", count=1)
    worker.simulator.fault("mistral", "down", count=1)
    for number in range(12):
        worker.submit(f"question {number}")
        worker.complete()
        worker.time_passes()

    charged = worker.simulator.counts()["totals"]["charges"]
    rows = worker.rows(AttemptRow)
    assert len(rows) > charged > 12, "some failures were charged, some not"
    assert sum(row.cost for row in rows) == charged * per_call.usd_per_request
    assert sum(row.cost for row in worker.rows(JobRow)) == charged * per_call.usd_per_request
    assert spent_usd(worker) == charged * per_call.usd_per_request


def test_by_the_token_the_books_are_exact_where_the_provider_told_its_count(worker: SmallWorker) -> None:
    worker.simulator.fault("openai", "status", status=500, count=1)
    for number in range(5):
        buy(worker, prompt=f"question {number}", max_tokens=30, on_exhausted="fail")
        worker.time_passes()
    assert sum(row.cost for row in worker.rows(AttemptRow)) == worker.bill_usd() == spent_usd(worker)


def test_what_was_charged_without_a_count_is_never_booked_below_the_bill(worker: SmallWorker) -> None:
    worker.simulator.fault("openai", "garbage", count=1)
    buy(worker, max_tokens=200)
    (row,) = [row for row in worker.rows(AttemptRow) if row.outcome == "BadAnswerError"]
    assert row.cost >= worker.bill_usd() > 0
    assert spent_usd(worker) >= worker.bill_usd()


def test_a_job_pays_for_its_failed_calls_too(worker: SmallWorker) -> None:
    worker.simulator.fault("openai", "garbage", count=1)
    job = worker.submit(tier="paid", max_tokens=10)
    worker.complete()
    failed, answered = job.result(timeout=5).attempts
    assert failed.cost_usd > 0
    assert job.result().cost_usd == failed.cost_usd + answered.cost_usd


def test_a_spent_budget_leaves_paid_models_alone(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.5")))
    assert buy(worker).startswith("succeeded on openai-small")
    job = worker.submit(tier="paid", max_tokens=10)
    worker.complete()
    assert job.result(timeout=5).model_id == "groq-small", "free capacity costs nothing"


def test_who_needs_a_paid_model_waits_for_tomorrows_money(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.5")))
    buy(worker)
    assert buy(worker) == "parked: budget all: money per day"
    assert worker.requests() == 1


def test_so_it_does_when_all_of_it_is_known_to_be_spent(worker: SmallWorker) -> None:
    buy(worker)
    buy(worker)
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.5")))
    worker.look_around()
    assert worker.pool.outlook.spent_fraction("log_analyzer") > 1
    assert buy(worker) == "parked: budget all: money per day"


def test_who_does_not_wait_is_told_that_it_is_the_money(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.5")))
    buy(worker)
    job = worker.submit(model="openai-small", max_tokens=10, on_exhausted="fail")
    worker.complete()
    with pytest.raises(BudgetExceededError, match="today's money is spent") as caught:
        job.result(timeout=5)
    assert caught.value.failure is not None
    assert caught.value.failure.retryable
    assert 0 < (caught.value.failure.retry_after_s or 0) <= 24 * 3600


def test_money_is_reserved_for_the_longest_answer_and_comes_back(worker: SmallWorker) -> None:
    """A call under way may still take all that is left: who comes meanwhile waits a moment, also if it does not want to wait."""
    worker.configure(budget=Budget(daily_usd=A_JOB * 3))
    worker.simulator.fault("openai", "slow", delay_s=0.3, count=1)
    worker.submit(model="openai-small", max_tokens=250)
    second = worker.submit(model="openai-small", max_tokens=10, on_exhausted="fail")

    async def both() -> tuple[str, str]:
        first = asyncio.create_task(worker.work_on(worker.claim()))
        while not await asyncio.to_thread(worker.in_flight):
            pass
        return await worker.work_on(worker.claim()), await first

    waits, answered = worker.run(both())
    assert waits == "parked: budget all: money per day"
    assert worker.waits_s(second) < 2
    assert answered.startswith("succeeded")
    worker.wake(second)
    assert worker.complete().startswith("succeeded")
    assert spent_usd(worker) == worker.bill_usd() <= A_JOB * 3


def test_who_would_not_wait_till_tomorrow_does_not_stand_among_those_who_do(worker: SmallWorker) -> None:
    """Their lane asks ever more seldom whether there is money again."""
    worker.configure(budget=Budget(daily_usd=A_JOB * 3))
    worker.simulator.fault("openai", "slow", delay_s=0.5, count=1)
    worker.submit(model="openai-small", max_tokens=250)
    small = {"model": "openai-small", "max_tokens": 10}
    kinds = {kind: [worker.submit(**small, on_exhausted=kind) for _ in range(2)] for kind in ("park", "fail")}

    async def all_of_them() -> None:
        first = asyncio.create_task(worker.work_on(worker.claim()))
        while not await asyncio.to_thread(worker.in_flight):
            pass
        for _ in range(4):
            assert (await worker.work_on(worker.claim())).startswith("parked")
        await first

    worker.run(all_of_them())
    lanes = {kind: {worker.redis.hget(shared_keys.job(job.id), "lane") for job in jobs} for kind, jobs in kinds.items()}
    assert [len(of_kind) for of_kind in lanes.values()] == [1, 1]
    assert lanes["park"] != lanes["fail"]


def test_an_answer_of_unknown_length_is_paid_for_in_full_before_it_is_asked_for(worker: SmallWorker) -> None:
    """The model may write 8,000 tokens, which no budget of one USD holds."""
    long = replace(worker.pool.registry.models["openai-small"], max_output_tokens=8_000)
    worker.configure(models={long.id: long}, budget=Budget(daily_usd=Decimal(1)))
    job = worker.submit(model=long.id)
    worker.complete()
    with pytest.raises(BudgetExceededError, match="no money is left that this job may need"):
        job.result(timeout=5)
    assert worker.requests() == 0
    assert buy(worker).startswith("succeeded"), "who says how long it may be is served"


def test_a_model_has_a_budget_of_its_own(worker: SmallWorker) -> None:
    bounded = replace(worker.pool.registry.models["openai-small"], daily_budget_usd=A_JOB * Decimal("1.5"))
    worker.configure(models={bounded.id: bounded, CHEAP.id: CHEAP})
    buy(worker)
    assert buy(worker) == "parked: budget model:openai-small: money per day"
    assert buy(worker, model=CHEAP.id).startswith("succeeded on openai-tiny")


def test_a_key_has_a_budget_of_its_own(worker: SmallWorker) -> None:
    (key,) = worker.pool.registry.keys_of("openai")
    others = tuple(each for each in worker.pool.registry.keys if each.id != key.id)
    worker.configure(keys=(*others, replace(key, daily_budget_usd=A_JOB * Decimal("1.5"))))
    buy(worker)
    assert buy(worker) == "parked: openai#1: money per day"
    assert worker.run(spent_fractions(worker.pool.redis, worker.pool.registry))["key:openai#1"] > Decimal("0.6")
    worker.configure(keys=(*others, replace(key, daily_budget_usd=A_JOB * Decimal("2.5"))))
    assert buy(worker).startswith("succeeded")


def test_a_budget_that_is_new_counts_what_was_spent_before_it(worker: SmallWorker) -> None:
    buy(worker)
    drain(worker.pool.books.redis, worker.pool.books.engine)
    bounded = replace(worker.pool.registry.models["openai-small"], daily_budget_usd=A_JOB * Decimal("1.5"))
    worker.configure(models={bounded.id: bounded})
    worker.run(know_spending(worker.pool))
    assert buy(worker) == "parked: budget model:openai-small: money per day"


def test_also_when_the_ledger_was_away_as_it_came(worker: SmallWorker) -> None:
    buy(worker)
    drain(worker.pool.books.redis, worker.pool.books.engine)
    bounded = replace(worker.pool.registry.models["openai-small"], daily_budget_usd=A_JOB * Decimal("1.5"))
    worker.configure(models={bounded.id: bounded})
    books = worker.pool.books
    worker.pool.books = replace(books, engine=open_database("postgresql://nobody@127.0.0.1:1/none"))
    worker.look_around()
    worker.pool.books = books
    worker.look_around()
    assert buy(worker) == "parked: budget model:openai-small: money per day"


def test_a_batch_may_cost_so_much_and_no_more(worker: SmallWorker) -> None:
    of_batch = {"batch": "report-7", "batch_budget_usd": A_JOB * Decimal("2.5")}
    assert [buy(worker, **of_batch).split()[0] for _ in range(2)] == ["succeeded", "succeeded"]
    late = worker.submit(model="openai-small", max_tokens=10, **of_batch)
    worker.complete()
    with pytest.raises(BudgetExceededError, match=r"budget batch:report-7: money"):
        late.result(timeout=5)
    assert buy(worker, batch="report-8", batch_budget_usd=1).startswith("succeeded"), "another batch has money of its own"
    job = worker.submit(tier="paid", max_tokens=10, **of_batch)
    worker.complete()
    assert job.result(timeout=5).model_id == "groq-small", "free capacity costs nothing"


def test_a_batch_is_held_to_its_budget_also_where_the_days_only_count(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(daily_usd=A_JOB, auto_pause=False))
    of_batch = {"batch": "report-7", "batch_budget_usd": A_JOB * Decimal("1.5")}
    assert buy(worker, **of_batch).startswith("succeeded")
    assert buy(worker, **of_batch).startswith("failed: BudgetExceededError")


def test_budgets_are_rebuilt_from_the_ledger_when_redis_was_emptied(worker: SmallWorker) -> None:
    of_batch = {"batch": "report-7", "batch_budget_usd": A_JOB * Decimal("2.5")}
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("3.5")), agents={"log_analyzer": ANALYZER})
    for options in (of_batch, of_batch, {}):
        assert buy(worker, **options).startswith("succeeded")
    spent = spent_usd(worker)
    assert drain(worker.pool.books.redis, worker.pool.books.engine) == 6
    worker.redis.flushall()
    worker.enroll()
    worker.look_around()
    assert spent_usd(worker) == spent == worker.bill_usd()
    assert worker.run(spent_fractions(worker.pool.redis, worker.pool.registry))["agent:log_analyzer"] == spent / 9
    assert buy(worker) == "parked: budget all: money per day"
    worker.configure(budget=Budget(daily_usd=Decimal(10)))
    assert buy(worker, **of_batch).startswith("failed: BudgetExceededError")
    assert buy(worker).startswith("succeeded")


def test_while_the_ledger_is_away_nothing_is_bought_that_it_would_have_to_know(worker: SmallWorker) -> None:
    books = worker.pool.books
    worker.pool.books = replace(books, engine=open_database("postgresql://nobody@127.0.0.1:1/none"))
    worker.redis.flushall()
    worker.enroll()
    worker.look_around()
    assert buy(worker) == "parked: budget all: what was spent is being read from the ledger"
    worker.submit()
    assert worker.complete().startswith("succeeded on groq-small"), "free capacity costs nothing"
    worker.pool.books = books
    worker.look_around()
    assert buy(worker).startswith("succeeded")


@pytest.mark.parametrize("asked", ["park", "degrade", "fail"])
def test_a_budget_for_seven_of_twenty_jobs_serves_seven_whoever_asks_at_once(worker: SmallWorker, asked: str) -> None:
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("7.5")))
    jobs = [worker.submit(f"question {n:02}", model="openai-small", max_tokens=10, on_exhausted=asked) for n in range(20)]

    async def all_at_once() -> list[str]:
        deliveries = [worker.claim() for _ in jobs]
        return list(await asyncio.gather(*(worker.work_on(it) for it in deliveries)))

    became = worker.run(all_at_once())
    while waiting := [job for job in jobs if job.status().state is JobState.PARKED and worker.waits_s(job) < 60]:
        worker.wake(waiting[0])
        became.append(worker.complete())
    assert worker.simulator.counts()["totals"]["charges"] == 7
    assert spent_usd(worker) == worker.bill_usd() == sum(row.cost for row in worker.rows(AttemptRow)) <= A_JOB * Decimal("7.5")
    ended = Counter(job.status().state for job in jobs)
    degraded = sum(job.result().degraded for job in jobs if job.status().state is JobState.SUCCEEDED)
    assert (ended, degraded) == {
        "park": (Counter({JobState.SUCCEEDED: 7, JobState.PARKED: 13}), 0),
        "degrade": (Counter({JobState.SUCCEEDED: 20}), 13),
        "fail": (Counter({JobState.SUCCEEDED: 7, JobState.FAILED: 13}), 0),
    }[asked]


@pytest.mark.parametrize(("priority", "model"), [("high", "openai-small"), ("normal", "openai-tiny"), ("low", "openai-tiny")])
def test_urgent_jobs_do_not_get_cheaper_models_when_money_runs_low(worker: SmallWorker, priority: str, model: str) -> None:
    dear = replace(worker.pool.registry.models["openai-small"], priority=99)
    worker.configure(models={dear.id: dear, CHEAP.id: CHEAP}, budget=Budget(daily_usd=A_JOB * Decimal("6.1")))
    for _ in range(5):
        buy(worker)
    worker.look_around()
    job = worker.submit(tier="paid", max_tokens=10, priority=priority)
    worker.complete()
    assert job.result(timeout=5).model_id == model


def test_an_agent_has_a_budget_of_its_own(worker: SmallWorker) -> None:
    worker.configure(agents={"log_analyzer": Agent(id="log_analyzer", daily_budget_usd=A_JOB * Decimal("1.5"))})
    buy(worker)
    assert buy(worker) == "parked: budget agent:log_analyzer: money per day"


@pytest.mark.parametrize("on_exhausted", ["park", "fail"])
def test_that_money_holds_back_an_agent_is_an_event_once_a_day(worker: SmallWorker, on_exhausted: str) -> None:
    worker.configure(agents={"log_analyzer": Agent(id="log_analyzer", daily_budget_usd=A_JOB * Decimal("1.5"))})
    buy(worker)
    assert worker.rows(EventRow) == []
    for _ in range(2):
        buy(worker, on_exhausted=on_exhausted)
    first = worker.rows(EventRow)[0]
    assert (first.agent_id, first.event_type) == ("log_analyzer", "held_by_budget")
    assert first.event_data["reason"] == "budget agent:log_analyzer: money per day"
    assert first.event_data["until"] > worker.pool.now().isoformat()
    worker.run(write_ledger(worker.pool))
    with worker.pool.books.engine.connect() as connection:
        assert connection.execute(select(agent_events.c.agent_id)).scalars().all() == ["log_analyzer"]


def test_a_budget_that_does_not_pause_only_counts(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(daily_usd=A_JOB, auto_pause=False))
    assert buy(worker).startswith("succeeded")
    assert buy(worker).startswith("succeeded")
    assert spent_usd(worker) == worker.bill_usd() > A_JOB


def test_nor_does_that_of_a_model_or_a_key(worker: SmallWorker) -> None:
    registry = worker.pool.registry
    model = replace(registry.models["openai-small"], daily_budget_usd=A_JOB / 2)
    keys = tuple(replace(key, daily_budget_usd=A_JOB / 2) for key in registry.keys_of("openai"))
    worker.configure(models={model.id: model}, keys=keys, budget=Budget(auto_pause=False))
    assert buy(worker).startswith("succeeded")
    fractions = worker.run(spent_fractions(worker.pool.redis, worker.pool.registry))
    assert min(fractions["model:openai-small"], fractions["key:openai#1"]) > 1


def test_a_model_of_unknown_price_is_paused_with_the_paid_ones(worker: SmallWorker) -> None:
    buy(worker)
    unknown = replace(worker.pool.registry.models["openai-small"], price=Price(), price_known=False)
    worker.configure(models={"openai-small": unknown})
    assert buy(worker).startswith("succeeded"), "there is money left"
    job = worker.submit(model="openai-small", max_tokens=10)
    worker.complete()
    result = job.result(timeout=5)
    assert result.cost_usd == 0
    assert result.selection is not None
    assert result.selection.reason.endswith("; its price is not known: that it cost 0 USD may be wrong")
    worker.configure(budget=Budget(daily_usd=A_JOB / 2))
    assert buy(worker) == "parked: budget all: money per day"


def test_a_worker_says_once_of_which_models_it_does_not_know_the_price(
    worker: SmallWorker, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = replace(CHEAP, price=Price(), price_known=False)
    unreachable = replace(unknown, id="off", is_active=False)
    for models in ({CHEAP.id: unknown, "off": unreachable}, {CHEAP.id: replace(unknown, priority=2)}):
        worker.configure(models=models)
        worker.look_around()
    told = [line for line in caplog.messages if "price" in line]
    assert told == [f"the price is not known of {CHEAP.id}: what is called there is counted as 0 USD"]


@pytest.mark.parametrize(("jobs_a_day", "model"), [("10", "openai-small"), ("6.1", "openai-tiny")], ids=["half", "82 %"])
def test_from_four_fifths_on_cheaper_models_come_first(worker: SmallWorker, jobs_a_day: str, model: str) -> None:
    dear = replace(worker.pool.registry.models["openai-small"], priority=99)
    worker.configure(models={dear.id: dear, CHEAP.id: CHEAP}, budget=Budget(daily_usd=A_JOB * Decimal(jobs_a_day)))
    for _ in range(5):
        buy(worker)
    worker.look_around()
    job = worker.submit(tier="paid", max_tokens=10)
    worker.complete()
    assert job.result(timeout=5).model_id == model


def test_the_agents_own_budget_counts_as_well(worker: SmallWorker) -> None:
    worker.configure(
        agents={"log_analyzer": Agent(id="log_analyzer", daily_budget_usd=A_JOB * 2)}, budget=Budget(daily_usd=A_JOB * 4)
    )
    buy(worker)
    worker.look_around()
    assert worker.pool.outlook.spent_fraction("log_analyzer") == pytest.approx(Decimal("0.5"), abs=Decimal("0.1"))
    assert worker.pool.outlook.spent_fraction("somebody else") == pytest.approx(Decimal("0.25"), abs=Decimal("0.05"))
