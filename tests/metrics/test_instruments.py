"""What a worker counts of the jobs that it completes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from scraping import Page, collected
from small_worker import SmallWorker

from pool_client import Pool
from pool_worker.metrics.exposition import WorkerCollector
from pool_worker.registry import Agent

Growth = Callable[..., float]
SPENT = {"message": "Tokens per minute limit exceeded - too many tokens processed.", "code": "token_quota_exceeded"}


@pytest.fixture
def growth(worker: SmallWorker) -> Growth:
    """By how much a figure has grown since the test began."""
    before = page(worker)
    return lambda name, **labels: page(worker).value(name, **labels) - before.value(name, **labels)


def page(worker: SmallWorker) -> Page:
    return collected(WorkerCollector(lambda: len(worker.pool.under_way)))


def test_an_answered_job(worker: SmallWorker, growth: Growth) -> None:
    job = worker.submit(tier="paid", max_tokens=30, priority="high")
    worker.complete()
    result = job.result(timeout=1)
    where = {"provider": "openai", "model": "openai-small"}
    assert growth("model_pool_calls_total", **where, outcome="ok") == growth("model_pool_calls_total") == 1
    assert growth("model_pool_tokens_total", **where, direction="input") == result.usage.input_tokens > 0
    assert growth("model_pool_tokens_total", **where, direction="output") == result.usage.output_tokens > 0
    assert (
        growth("model_pool_cost_usd_total", **where)
        == pytest.approx(float(result.cost_usd))
        == pytest.approx(float(worker.bill_usd()))
    )
    assert growth("model_pool_call_seconds_count", provider="openai") == 1
    assert growth("model_pool_call_seconds_sum", provider="openai") == pytest.approx(result.latency_ms / 1000)
    assert growth("model_pool_jobs_ended_total", state="succeeded", priority="high") == 1
    assert growth("model_pool_job_seconds_count", priority="high") == 1
    assert growth("model_pool_lease_seconds_count", answer="lease") == 1
    assert growth("model_pool_failovers_total") == growth("model_pool_refusals_total") == 0


def test_a_refusal_and_a_failover_are_told_apart(worker: SmallWorker, growth: Growth) -> None:
    worker.simulator.fault("groq", "status", status=500, count=1)
    worker.simulator.fault("cerebras", "status", status=429, body=SPENT, count=1)
    worker.submit(max_tokens=30)
    worker.complete()
    assert growth("model_pool_failovers_total", provider="groq", model="groq-small") == growth("model_pool_failovers_total") == 1
    assert growth("model_pool_refusals_total", provider="cerebras") == growth("model_pool_refusals_total") == 1
    assert growth("model_pool_calls_total", outcome="ProviderFailedError") == 1
    assert growth("model_pool_calls_total") == worker.requests() == 3
    assert growth("model_pool_call_seconds_count") == 1, "only of the call that was answered"


def test_a_job_that_fails_and_one_that_was_cancelled_while_it_waited(worker: SmallWorker, growth: Growth) -> None:
    worker.simulator.fault("groq", "status", status=400, count=1)
    worker.submit(max_tokens=30)
    worker.complete()
    worker.submit(max_tokens=30).cancel()
    worker.complete()
    assert growth("model_pool_jobs_ended_total", state="failed") == 1
    assert growth("model_pool_jobs_ended_total", state="cancelled") == 1


def test_a_job_that_waits_has_not_ended(worker: SmallWorker, growth: Growth) -> None:
    for provider in ("groq", "cerebras", "mistral"):
        worker.simulator.fault(provider, "status", status=429)
    worker.submit(max_tokens=30)
    assert worker.complete().startswith("parked")
    assert growth("model_pool_jobs_ended_total") == 0
    assert growth("model_pool_lease_seconds_count", answer="exhausted") == 1


def test_only_configured_agents_are_named(worker: SmallWorker, growth: Growth) -> None:
    worker.configure(agents={"log_analyzer": Agent("log_analyzer")})
    with Pool(agent="somebody-of-ours", redis_url=worker.redis_url) as other:
        for client in (worker.client, other):
            client.submit("Why?", max_tokens=30)
            worker.complete()
    assert growth("model_pool_jobs_ended_total", agent="log_analyzer") == 1
    assert growth("model_pool_jobs_ended_total", agent="other") == 1
    assert "somebody-of-ours" not in page(worker).label_values("agent")


def test_jobs_in_flight(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "hang")
    worker.submit(max_tokens=30)
    seen: list[float] = []

    def look_and_cancel(task: asyncio.Task[str]) -> None:
        seen.append(page(worker).value("model_pool_jobs_in_flight"))
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        worker.interrupt(look_and_cancel)
    assert seen == [1]
    assert page(worker).value("model_pool_jobs_in_flight") == 0
