"""After its deadline nothing is done for a job any more, and nothing that is done for it takes longer than until then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from small_worker import SmallWorker

from pool_client import DeadlineExceededError, JobHandle


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def assert_too_late(job: JobHandle) -> None:
    with pytest.raises(DeadlineExceededError):
        job.result(timeout=5)


def test_a_job_claimed_after_its_deadline_is_not_sent(worker: SmallWorker) -> None:
    job = worker.submit(deadline_s=60)
    worker.pool.now = lambda: later(60)
    worker.complete()
    assert_too_late(job)
    assert worker.requests() == 0
    assert worker.nothing_is_held()


def test_a_job_that_fails_after_its_deadline_is_not_sent_again(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "status", status=500)
    job = worker.submit(deadline_s=60)
    worker.pool.now = lambda: later(60 if worker.requests() else 0)
    worker.complete()
    assert_too_late(job)
    assert worker.requests() == 1
    assert worker.nothing_is_held()


def test_no_call_lasts_longer_than_the_deadline(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "hang")
    job = worker.submit(deadline_s=60)
    worker.pool.now = lambda: later(59.9)
    worker.complete()
    with pytest.raises(DeadlineExceededError) as caught:
        job.result(timeout=5)
    assert caught.value.failure is not None
    (attempt,) = caught.value.failure.attempts
    assert attempt.outcome == "ProviderFailedError"
    assert attempt.latency_ms < 200, "the provider's own time-out is 5 s"


def test_no_rest_lasts_longer_than_the_deadline(worker: SmallWorker) -> None:
    for provider in worker.pool.registry.providers:
        worker.simulator.fault(provider, "down")
    job = worker.submit(deadline_s=61)
    worker.pool.now = lambda: later(60)
    assert worker.complete() == "parked: every candidate has failed"
    assert worker.waits_s(job) == pytest.approx(1, abs=0.5)


def test_a_job_without_a_deadline_is_never_late(worker: SmallWorker) -> None:
    job = worker.submit()
    worker.pool.now = lambda: later(365 * 24 * 3600)
    worker.complete()
    assert job.result(timeout=5).content
