"""When every quota is spent: wait, take less, or fail, as the job asks; and the next tier where waiting would be too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from small_worker import SmallWorker

from pool_client import DeadlineExceededError, JobState, ModelUnavailableError, RateLimitError, Tier
from pool_worker.ledger.rows import JobRow
from pool_worker.registry import Failover, Period, Unit, Window, WindowKind

ONE_A_MINUTE = (Window(Unit.REQUESTS, 1, Period.MINUTE, WindowKind.SLIDING),)
FREE_ONLY = Failover(tiers=(Tier.FREE,))


@pytest.fixture
def spent(worker: SmallWorker) -> SmallWorker:
    """One free key with one call a minute, which has been made; beside it the paid tier."""
    registry = worker.pool.registry
    worker.configure(
        providers={**registry.providers, "groq": replace(registry.providers["groq"], limits=ONE_A_MINUTE)},
        models={name: registry.models[name] for name in ("groq-small", "openai-small", "ollama-small")},
        keys=tuple(key for key in registry.keys if key.id != "groq#2"),
    )
    worker.submit("the first")
    assert worker.complete().startswith("succeeded")
    return worker


def test_a_job_waits_until_the_window_frees(spent: SmallWorker) -> None:
    job = spent.submit()
    assert spent.complete() == "parked: groq#1: requests per minute"
    status = job.status()
    assert (status.state, status.wait_reason) == (JobState.PARKED, "groq#1: requests per minute")
    assert status.waits_until is not None
    assert spent.waits_s(job) == pytest.approx(60, abs=2)
    assert status.waits_until.timestamp() == pytest.approx(spent.redis_now_s() + 60, abs=2)
    assert spent.requests() == 1
    assert spent.nothing_is_held()
    assert [row for row in spent.rows(JobRow) if row.job_id == job.id] == []


def test_a_job_that_has_waited_goes_on_where_capacity_is(spent: SmallWorker) -> None:
    job = spent.submit()
    spent.complete()
    spent.configure(keys=(*spent.pool.registry.keys, next(it for it in spent.opened_with["registry"].keys if it.id == "groq#2")))
    spent.wake(job)
    assert spent.complete().startswith("succeeded")
    (attempt,) = job.result(timeout=5).attempts
    assert attempt.key_id == "groq#2"


def test_a_job_that_does_not_wait_is_told_when_to_come_back(spent: SmallWorker) -> None:
    spent.configure(failover=FREE_ONLY)
    job = spent.submit(on_exhausted="fail")
    spent.complete()
    with pytest.raises(
        RateLimitError, match=r"every quota is spent \(groq-small: groq#1 has no requests per minute left until "
    ) as caught:
        job.result(timeout=5)
    failure = caught.value.failure
    assert failure is not None
    assert failure.retryable
    assert failure.retry_after_s == pytest.approx(60, abs=2)
    assert spent.requests() == 1


@pytest.mark.parametrize("on_exhausted", ["fail", "degrade"])
def test_a_job_that_does_not_wait_goes_on_to_the_next_tier_first(spent: SmallWorker, on_exhausted: str) -> None:
    job = spent.submit(on_exhausted=on_exhausted)
    spent.complete()
    result = job.result(timeout=5)
    assert (result.model_id, result.degraded) == ("openai-small", False)


def test_the_fallback_model_stands_in_marked_as_degraded(spent: SmallWorker) -> None:
    spent.configure(failover=replace(FREE_ONLY, fallback_model="openai-small"))
    job = spent.submit(on_exhausted="degrade")
    spent.complete()
    result = job.result(timeout=5)
    assert (result.model_id, result.degraded) == ("openai-small", True)
    assert result.content.startswith("echo ")
    assert [row.degraded for row in spent.rows(JobRow)] == [False, True]


def test_nothing_stands_in_for_who_would_rather_wait(spent: SmallWorker) -> None:
    spent.configure(failover=replace(FREE_ONLY, fallback_model="openai-small"))
    spent.submit()
    assert spent.complete() == "parked: groq#1: requests per minute"


def test_a_local_model_stands_in_where_there_is_one(spent: SmallWorker) -> None:
    providers = spent.pool.registry.providers
    spent.configure(failover=FREE_ONLY, providers={**providers, "ollama": replace(providers["ollama"], enabled=True)})
    spent.pool.served_queues |= {"local.ollama"}
    job = spent.submit(on_exhausted="degrade")
    spent.complete()
    result = job.result(timeout=5)
    assert (result.provider, result.degraded, result.attempts[0].key_id) == ("ollama", True, "ollama")


def test_without_a_stand_in_there_is_honest_guidance(spent: SmallWorker) -> None:
    spent.configure(failover=FREE_ONLY)
    job = spent.submit(on_exhausted="degrade")
    spent.complete()
    result = job.result(timeout=5)
    assert (result.degraded, result.model_id, result.provider, result.cost_usd) == (True, "none", "none", 0)
    assert "(groq-small: groq#1 has no requests per minute left until " in result.content
    assert "not written by a model" in result.content
    assert spent.requests() == 1


def test_what_no_window_can_ever_hold_fails_at_once(spent: SmallWorker) -> None:
    tokens = (Window(Unit.TOKENS, 100, Period.MINUTE, WindowKind.SLIDING),)
    providers = spent.pool.registry.providers
    spent.configure(failover=FREE_ONLY, providers={**providers, "groq": replace(providers["groq"], limits=tokens)})
    job = spent.submit("x" * 1000)
    spent.complete()
    with pytest.raises(ModelUnavailableError, match=r"no quota will ever fit this job \(too large for groq-small\)"):
        job.result(timeout=5)


def test_a_job_that_fits_no_model_says_why_of_each(spent: SmallWorker) -> None:
    job = spent.submit(required_capabilities=["smell"])
    spent.complete()
    with pytest.raises(ModelUnavailableError, match=r"no model fits this job \(groq-small, openai-small: it lacks smell; "):
        job.result(timeout=5)


def test_a_deadline_before_the_quota_returns_is_worth_the_next_tier(spent: SmallWorker) -> None:
    job = spent.submit(deadline_s=30)
    spent.complete()
    assert job.result(timeout=5).model_id == "openai-small"


def test_a_deadline_that_leaves_time_to_wait_is_not(spent: SmallWorker) -> None:
    job = spent.submit(deadline_s=90)
    assert spent.complete() == "parked: groq#1: requests per minute"
    assert spent.waits_s(job) == pytest.approx(60, abs=2)


@pytest.mark.parametrize("other", [{"failover": FREE_ONLY}, {"budget_usd": 0}], ids=["there is none", "it will never do"])
def test_without_a_next_tier_it_waits_until_its_deadline_and_fails(spent: SmallWorker, other: dict) -> None:
    if "failover" in other:
        spent.configure(failover=FREE_ONLY)
    else:
        spent.configure(budget=replace(spent.pool.registry.budget, daily_usd=0))
    job = spent.submit(deadline_s=30)
    assert spent.complete() == "parked: groq#1: requests per minute"
    assert spent.waits_s(job) == pytest.approx(30, abs=1)

    spent.wake(job)
    spent.pool.now = lambda: datetime.now(UTC) + timedelta(seconds=30)
    spent.complete()
    with pytest.raises(DeadlineExceededError):
        job.result(timeout=5)
    assert spent.requests() == 1
