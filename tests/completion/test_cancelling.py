"""Cancelling, at every stage; and a worker that leaves, which is something else."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from small_worker import SmallWorker

from pool_client import JobCancelledError, JobState
from pool_worker import redis_keys
from pool_worker.ledger.rows import AttemptRow, JobRow
from pool_worker.limits.holds import group_scope


def test_a_job_cancelled_in_its_queue_is_dropped_and_in_the_books(worker: SmallWorker) -> None:
    job = worker.submit()
    job.cancel()
    assert worker.complete() == "was cancelled already"
    assert worker.requests() == 0
    assert worker.nothing_is_held()
    (ended,) = worker.rows(JobRow)
    assert (ended.job_id, ended.state, ended.attempts) == (job.id, JobState.CANCELLED, 0)


def test_a_job_cancelled_while_its_provider_is_asked_ends_at_once(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "hang")
    job = worker.submit()
    assert worker.interrupt(lambda _: job.cancel()).startswith("cancelled: JobCancelledError")

    with pytest.raises(JobCancelledError):
        job.result(timeout=5)
    assert job.status().state is JobState.CANCELLED
    assert worker.requests() == 1, "nobody else is asked"
    assert worker.nothing_is_held()
    assert worker.held() == {}, "it is nobody's fault"
    (attempt,), (ended,) = worker.rows(AttemptRow), worker.rows(JobRow)
    assert (attempt.outcome, attempt.provider) == ("AbandonedError", "groq")
    assert (ended.state, ended.attempts) == (JobState.CANCELLED, 1)


def test_a_call_that_was_broken_off_is_taken_as_paid_for(worker: SmallWorker) -> None:
    worker.simulator.fault("openai", "slow", delay_s=30)  # charged when it arrives
    job = worker.submit(tier="paid", max_tokens=100)
    worker.interrupt(lambda _: job.cancel())
    (attempt,), (ended,) = worker.rows(AttemptRow), worker.rows(JobRow)
    assert ended.cost == attempt.cost >= worker.bill_usd() > 0
    assert attempt.output_tokens == ended.output_tokens == 100


def test_a_cancel_between_two_calls_loses_nothing_of_the_first(worker: SmallWorker) -> None:
    """It comes when the first call has failed and Redis has not been told yet."""
    worker.simulator.fault("groq", "status", status=500)
    job = worker.submit()
    now = worker.pool.now

    def cancelled_meanwhile() -> datetime:
        if worker.redis.zcard(redis_keys.LEASES) and worker.requests():
            worker.pool.under_way.cancel(job.id)
        return now()

    worker.pool.now = cancelled_meanwhile
    assert worker.complete().startswith("cancelled")
    assert worker.nothing_is_held()
    assert [row.outcome for row in worker.rows(AttemptRow)] == ["ProviderFailedError"]


def test_a_cancel_that_meets_a_job_as_it_parks_wakes_it(worker: SmallWorker) -> None:
    job = worker.submit()
    spend_everything(worker)
    now = worker.pool.now

    def cancelled_meanwhile() -> datetime:
        worker.redis.hset(f"pool:job:{job.id}", "cancel", "1")
        return now()

    worker.pool.now = cancelled_meanwhile
    assert worker.complete().startswith("parked")
    assert worker.waits_s(job) <= 0
    worker.wake(job)
    assert worker.complete().startswith("cancelled")
    assert worker.requests() == 0


def spend_everything(worker: SmallWorker) -> None:
    for key in worker.pool.registry.keys:
        scope = group_scope(key.provider, key.group)
        worker.redis.set(redis_keys.hold(scope), f"{round(worker.redis_now_s() * 1000) + 60_000} nothing left", px=60_000)


def test_a_job_cancelled_while_it_waits_ends_there(worker: SmallWorker) -> None:
    job = worker.submit()
    spend_everything(worker)
    worker.complete()
    assert job.cancel() is JobState.CANCELLED
    assert worker.waits_s(job) <= 0, "it is not counted among those that wait, and not forgotten by the books"
    assert worker.run(worker.pool.jobs.release_due())[0] == 1
    assert worker.complete() == "was cancelled already"
    assert worker.requests() == 0
    assert [row.state for row in worker.rows(JobRow)] == [JobState.CANCELLED]


def test_a_worker_that_leaves_does_not_end_its_job(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "hang", count=1)
    job = worker.submit()
    with pytest.raises(asyncio.CancelledError):
        worker.interrupt(asyncio.Task.cancel)

    assert worker.redis.hlen(redis_keys.UNACKED) == 1, "the message is given back by who closes the channel"
    assert worker.record(job)["state"] == "running"
    assert not worker.redis.exists(redis_keys.LEASES)
    assert [row.outcome for row in worker.rows(AttemptRow)] == ["AbandonedError"]
    assert worker.rows(JobRow) == []
