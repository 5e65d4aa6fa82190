"""People are warned of budgets that run out, once for each threshold and again on the next day, and of dead letters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from small_worker import SmallWorker
from sqlalchemy import select

from pool_worker import redis_keys
from pool_worker.ledger.rows import AlertRow, EventRow
from pool_worker.ledger.tables import agent_events
from pool_worker.maintenance.books import write_ledger
from pool_worker.maintenance.watch import check_budgets, check_dead_letters
from pool_worker.registry import Agent, Budget


def warned(worker: SmallWorker) -> list[str]:
    """Titles of the alerts that were told since this was asked last."""
    titles = [f"{row.severity}: {row.title}" for row in worker.rows(AlertRow)]
    worker.redis.delete(redis_keys.OUTBOX)
    return titles


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
        ("0.815", ["warning: 81% of today's budget (all) are spent"]),
        ("0.998", ["warning: 99% of today's budget (all) are spent"]),
        ("1.015", ["warning: 101% of today's budget (all) are spent", "critical: 101% of today's budget (all) are spent"]),
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
    over = [f"info: what was told of {threshold} of the budget (all) is over" for threshold in ("80%", "100%")[: len(titles)]]
    assert warned(worker) == over + titles, "that is over, and it is told again on another day"


def test_a_budget_that_was_raised_is_told_of_anew(worker: SmallWorker) -> None:
    spent = spend(worker, 1)
    over = ["info: what was told of 80% of the budget (all) is over", "info: what was told of 100% of the budget (all) is over"]
    for share, titles in (
        ("1", ["warning: 100% of today's budget (all) are spent", "critical: 100% of today's budget (all) are spent"]),
        ("0.905", [*over, "warning: 90% of today's budget (all) are spent"]),
        ("0.5", over[:1]),
    ):
        worker.configure(budget=Budget(daily_usd=spent / Decimal(share)))
        worker.run(check_budgets(worker.pool))
        assert sorted(warned(worker)) == sorted(titles)


def test_it_says_who_is_paused_now(worker: SmallWorker) -> None:
    registry = worker.pool.registry
    model, (key,) = replace(registry.models["openai-small"], daily_budget_usd=Decimal(9)), registry.keys_of("openai")
    worker.configure(models={model.id: model}, keys=(replace(key, daily_budget_usd=Decimal(9)),))
    worker.configure(agents={"log_analyzer": Agent(id="log_analyzer", daily_budget_usd=Decimal(9))})
    spent = spend(worker, 1)
    worker.configure(
        budget=Budget(daily_usd=spent),
        agents={"log_analyzer": Agent(id="log_analyzer", daily_budget_usd=spent)},
        models={model.id: replace(model, daily_budget_usd=spent)},
        keys=(replace(key, daily_budget_usd=spent),),
    )
    worker.run(check_budgets(worker.pool))
    amounts = f"{spent.normalize():f} of {spent.normalize():f} USD; "
    assert [row.message.removeprefix(amounts) for row in worker.rows(AlertRow) if row.severity == "critical"] == [
        "paid models are paused until tomorrow",
        "paid models are paused for agent log_analyzer until tomorrow",
        "model openai-small is paused until tomorrow",
        "key openai#1 is not used for paid calls until tomorrow",
    ]


def test_it_says_that_nobody_is_paused_where_budgets_only_count(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(auto_pause=False))
    worker.configure(budget=Budget(daily_usd=spend(worker, 1), auto_pause=False))
    worker.run(check_budgets(worker.pool))
    assert worker.rows(AlertRow)[-1].message.endswith(" USD; nothing is paused, it only counts")


@pytest.mark.parametrize("pauses", [True, False])
def test_so_are_those_of_models_and_keys_also_where_they_only_count(worker: SmallWorker, *, pauses: bool) -> None:
    registry = worker.pool.registry
    model = replace(registry.models["openai-small"], daily_budget_usd=Decimal(9))
    keys = tuple(replace(key, daily_budget_usd=Decimal(9)) for key in registry.keys_of("openai"))
    worker.configure(models={model.id: model}, keys=keys, budget=Budget(auto_pause=pauses))
    spent = spend(worker, 1)
    model = replace(model, daily_budget_usd=spent)
    worker.configure(
        models={model.id: model}, keys=tuple(replace(key, daily_budget_usd=spent / Decimal("0.905")) for key in keys)
    )
    assert worker.run(check_budgets(worker.pool)) == 2
    assert warned(worker) == [
        "warning: 100% of today's budget (model:openai-small) are spent",
        "critical: 100% of today's budget (model:openai-small) are spent",
        "warning: 90% of today's budget (key:openai#1) are spent",
    ]


def test_an_agents_budget_is_watched_too(worker: SmallWorker) -> None:
    agents = {name: Agent(id=name, daily_budget_usd=Decimal("0.3")) for name in ("log_analyzer", "ai_manager")}
    worker.configure(agents=agents)
    spend(worker, 1)
    assert worker.run(check_budgets(worker.pool)) == 1
    (event,) = worker.rows(EventRow)
    assert (event.agent_id, event.event_type) == ("log_analyzer", "budget_nearly_spent")
    assert warned(worker) == ["warning: 92% of today's budget (agent:log_analyzer) are spent"]


@pytest.mark.parametrize("pauses", [True, False])
def test_an_agents_spent_budget_is_an_event_of_its_own_once_a_day(worker: SmallWorker, *, pauses: bool) -> None:
    worker.configure(agents={"log_analyzer": Agent(id="log_analyzer", daily_budget_usd=Decimal(9))})
    spent = spend(worker, 1)
    agent = Agent(id="log_analyzer", daily_budget_usd=spent)
    worker.configure(agents={"log_analyzer": agent}, budget=Budget(auto_pause=pauses))
    for _ in range(2):
        worker.run(check_budgets(worker.pool))
    assert [row.event_type for row in worker.rows(EventRow)] == ["budget_nearly_spent", "budget_spent"]
    told = {"spent_usd": float(spent), "budget_usd": float(spent), "paid_models_paused": pauses}
    assert worker.rows(EventRow)[-1].event_data == told
    worker.run(write_ledger(worker.pool))
    with worker.pool.books.engine.connect() as connection:
        booked = connection.execute(select(agent_events.c.event_type).order_by(agent_events.c.id)).scalars().all()
    assert sorted(booked) == ["budget_nearly_spent", "budget_spent"]


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
