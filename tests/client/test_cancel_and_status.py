from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import redis
from stand_in_worker import StandInWorker, subscribed

from pool_client import (
    Attempt,
    ConfigurationError,
    InvalidRequestError,
    JobCancelledError,
    JobState,
    Pool,
    PoolError,
    Status,
    redis_keys,
)
from pool_client.record import parse_status
from pool_client.scripts import Scripts


def test_a_queued_job_is_cancelled_here_and_now(pool: Pool, redis_client: redis.Redis) -> None:
    job = pool.submit("x")
    waiting = pool.outcome(job.id)
    subscribed(redis_client, 1)
    assert job.cancel() is JobState.CANCELLED
    assert waiting.result(5) is not None, "whoever waits is woken"
    with pytest.raises(JobCancelledError):
        job.result(timeout=5)
    assert job.status().finished_at is not None
    for name in (redis_keys.job(job.id), redis_keys.result(job.id)):
        assert 0 < redis_client.pttl(name) <= redis_keys.RESULT_TTL_MS


def test_a_parked_job_is_cancelled_too(pool: Pool, redis_client: redis.Redis) -> None:
    job = pool.submit("x")
    redis_client.hset(redis_keys.job(job.id), "state", "parked")
    assert job.cancel() is JobState.CANCELLED


def test_the_worker_of_a_running_job_is_told(pool: Pool, redis_client: redis.Redis, worker: StandInWorker) -> None:
    with redis_client.pubsub(ignore_subscribe_messages=True) as listening:
        listening.subscribe(redis_keys.CANCEL_CHANNEL)
        job = pool.submit("x")
        worker.take()
        assert job.cancel() is JobState.RUNNING
        message = None
        while message is None:
            message = listening.get_message(timeout=5)
    assert message["data"] == job.id
    assert redis_client.hget(redis_keys.job(job.id), "cancel") == "1"
    assert not redis_client.exists(redis_keys.result(job.id))


def test_a_worker_that_has_lost_the_job_and_does_not_know_is_told_too(
    pool: Pool, redis_client: redis.Redis, worker: StandInWorker
) -> None:
    with redis_client.pubsub(ignore_subscribe_messages=True) as listening:
        listening.subscribe(redis_keys.CANCEL_CHANNEL)
        job = pool.submit("x")
        worker.take()
        redis_client.delete(redis_keys.UNACKED)
        assert job.cancel() is JobState.CANCELLED
        while (told := listening.get_message(timeout=5)) is None:
            pass
        assert told["data"] == job.id


@pytest.mark.parametrize("ending", ["succeeded", "failed", "cancelled"])
def test_what_has_ended_stays_as_it_is(pool: Pool, worker: StandInWorker, redis_client: redis.Redis, ending: str) -> None:
    job = pool.submit("x")
    if ending == "cancelled":
        job.cancel()
    elif ending == "succeeded":
        worker.answer(worker.take())
    else:
        worker.fail(worker.take(), PoolError("no"))
    before = redis_client.hgetall(redis_keys.job(job.id)), redis_client.get(redis_keys.result(job.id))
    assert job.cancel() == ending
    assert (redis_client.hgetall(redis_keys.job(job.id)), redis_client.get(redis_keys.result(job.id))) == before


def test_the_clock_of_a_cancellation_can_be_set(pool: Pool, redis_client: redis.Redis) -> None:
    job = pool.submit("x")
    assert Scripts(redis_client).cancel(job_id=job.id, outcome="{}", now_ms="99") == "cancelled"
    assert redis_client.hget(redis_keys.job(job.id), "finished_ms") == "99"


def test_an_unknown_job_can_be_neither_cancelled_nor_asked_about(pool: Pool, redis_client: redis.Redis) -> None:
    for ask in (pool.job("nobody").cancel, pool.job("nobody").status, pool.job("nobody").done):
        with pytest.raises(InvalidRequestError, match="job_id: 'nobody' is not known"):
            ask()
    assert redis_client.keys() == []


def test_the_status_follows_the_job(pool: Pool, worker: StandInWorker) -> None:
    job = pool.submit("x", priority="high")
    queued = job.status()
    assert (queued.state, queued.agent, queued.priority, queued.queue) == ("queued", "log_analyzer", "high", "free")
    assert abs(datetime.now(UTC) - queued.submitted_at) < timedelta(minutes=1)
    assert not job.done()
    claimed = worker.take()
    assert job.status().state is JobState.RUNNING
    worker.answer(claimed)
    assert job.done()


def test_every_field_of_a_record_is_told() -> None:
    attempt = Attempt(number=1, outcome="moved", queue="free.groq", started_at=datetime(2025, 6, 1, tzinfo=UTC))
    record = {
        "state": "parked",
        "agent": "a",
        "priority": "low",
        "queue": "free.groq",
        "submitted_ms": "1000",
        "started_ms": "2000",
        "due_ms": "60000.5",
        "wait_reason": "groq: 30 requests a minute",
        "hops": "2",
        "restarts": "1",
        "model_id": "m",
        "trail": json.dumps([attempt.model_dump(mode="json")]),
    }
    at = datetime.fromtimestamp
    parked = Status(
        job_id="j",
        state=JobState.PARKED,
        agent="a",
        priority="low",
        queue="free.groq",
        submitted_at=at(1, UTC),
        started_at=at(2, UTC),
        waits_until=at(60.0005, UTC),
        wait_reason="groq: 30 requests a minute",
        hops=2,
        restarts=1,
        model_id="m",
        attempts=[attempt],
    )
    assert parse_status("j", record) == parked
    running = parse_status("j", record | {"state": "running"})
    assert (running.waits_until, running.wait_reason) == (None, None), "what it waited for is over"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": "resting"}, "'resting' is not a valid JobState"),
        ({"priority": "utmost"}, "'utmost' is not a valid Priority"),
        (
            {"trail": '[{"number": 1, "outcome": "ok", "queue": "free", "started_at": "2026-11-21T00:00:00Z", "new": 1}]'},
            "its trail",
        ),
        ({"submitted_ms": "yesterday"}, "'yesterday'"),
        ({"hops": "a few"}, "'a few'"),
        ({"finished_ms": "1e300"}, ""),
    ],
)
def test_a_record_of_a_later_release_says_what_to_do(
    pool: Pool, redis_client: redis.Redis, changes: dict[str, str], told: str
) -> None:
    job = pool.submit("x")
    redis_client.hset(redis_keys.job(job.id), mapping=changes)
    with pytest.raises(
        ConfigurationError, match=f"cannot read the record of job {job.id} .*{told}.*: install the workers' release"
    ):
        job.status()


def test_a_record_without_its_fields_is_not_guessed_at(pool: Pool, redis_client: redis.Redis) -> None:
    redis_client.hset(redis_keys.job("j"), "model_id", "m")
    with pytest.raises(ConfigurationError, match="'state'"):
        pool.job("j").status()
