"""A model whose price nobody knows is no way round the budgets."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from small_worker import SmallWorker

from pool_worker.registry import Agent, Budget, Price

A_JOB = Decimal("0.28")
"""What a job of ten tokens costs on the paid model, about."""


@pytest.fixture
def worker(worker: SmallWorker) -> SmallWorker:
    """Its second paid model has no price."""
    known = worker.pool.registry.models["openai-small"]
    mystery = replace(known, id="mystery", price=Price(), price_known=False)
    worker.configure(models={known.id: known, mystery.id: mystery}, agents={"log_analyzer": Agent(id="log_analyzer")})
    return worker


def ask(worker: SmallWorker, model: str, **options: object) -> str:
    worker.submit(model=model, max_tokens=10, **options)
    return worker.complete()


def test_it_is_paused_with_those_that_cost_money(worker: SmallWorker) -> None:
    worker.configure(budget=Budget(daily_usd=A_JOB * Decimal("1.5")))
    assert ask(worker, "mystery").startswith("succeeded"), "what is reserved for it comes back"
    assert ask(worker, "mystery").startswith("succeeded")
    assert ask(worker, "openai-small").startswith("succeeded")
    assert ask(worker, "mystery") == "parked: budget all: money per day"


def test_nor_does_it_get_round_the_budget_of_a_batch(worker: SmallWorker) -> None:
    bounded = {"batch": "night", "batch_budget_usd": A_JOB * Decimal("1.5")}
    assert ask(worker, "openai-small", **bounded).startswith("succeeded")
    assert ask(worker, "mystery", **bounded).startswith("failed: BudgetExceededError")
