"""Page 9: money.

Paid models are used where free ones will not do, and never beyond the day's budget: `daily_budget` in `configs/models.yaml`,
`daily_budget_usd` of an agent in `configs/agents.yaml`. A job's cost is reserved before its call, so that many at once cannot
overspend.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from small_worker import SmallWorker

from pool_client import BudgetExceededError, ModelUnavailableError, Pool
from pool_worker.registry import Budget


@pytest.fixture
def poor_pool(small_pool: SmallWorker) -> SmallWorker:
    """A pool that may spend 0.40 USD a day; a job on its paid model costs about 0.28."""
    small_pool.configure(budget=Budget(daily_usd=Decimal("0.40")))
    return small_pool


def test_what_a_job_costs(poor_pool: SmallWorker) -> None:
    """`cost_usd` is the price of all its calls, also of those that were charged and brought nothing."""
    with Pool(agent="log_analyzer") as pool:
        job = pool.submit("Why did this fail?", tier="paid", max_tokens=10)
        poor_pool.complete()
        answer = job.result(timeout=60)

    assert (answer.model_id, answer.cost_usd) == ("openai-small", Decimal("0.278"))


def test_a_job_may_say_what_it_may_cost(poor_pool: SmallWorker) -> None:
    """What would cost more is not asked."""
    with Pool(agent="log_analyzer") as pool:
        job = pool.submit("Why did this fail?", model="openai-small", max_cost_usd=0.01)
        poor_pool.complete()
        with pytest.raises(ModelUnavailableError, match=r"it would cost about 1\.283\d* USD, the job may cost 0\.01"):
            job.result(timeout=60)


def test_when_the_money_is_spent_free_models_answer(poor_pool: SmallWorker) -> None:
    """Also jobs that asked for the paid tier."""
    with Pool(agent="log_analyzer") as pool:
        jobs = pool.submit_many(["first", "second"], tier="paid", max_tokens=10)
        for _ in jobs:
            poor_pool.complete()
        assert [job.result(timeout=60).model_id for job in jobs] == ["openai-small", "groq-small"]


def test_a_job_for_a_paid_model_alone_waits_for_tomorrow(poor_pool: SmallWorker) -> None:
    """Or, if it does not want to wait, it is told."""
    with Pool(agent="log_analyzer") as pool:
        _, patient, impatient = pool.submit_many(
            [{"prompt": "first"}, {"prompt": "second"}, {"prompt": "third", "on_exhausted": "fail"}],
            model="openai-small",
            max_tokens=10,
        )
        for _ in range(3):
            poor_pool.complete()

        assert patient.status().wait_reason == "budget all: money per day"
        with pytest.raises(BudgetExceededError):
            impatient.result(timeout=60)
