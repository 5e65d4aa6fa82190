"""Who has the claim on a message may act for its job, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from small_worker import SmallWorker

from pool_client import ConfigurationError, JobHandle, Result
from pool_client import redis_keys as shared_keys
from pool_client.job import JobState
from pool_client.queues import list_name
from pool_worker import redis_keys
from pool_worker.broker.dead_letters import REVIVED, DeadLetters
from pool_worker.broker.delivery import Delivery
from pool_worker.ledger.rows import AttemptRow, JobRow

LOST = "is another worker's now"
FREE = list_name("free", 6)


def test_a_second_delivery_after_the_end_makes_no_call(worker: SmallWorker) -> None:
    job = worker.submit()
    message = worker.redis.lindex(FREE, -1)
    worker.complete()
    worker.redis.lpush(FREE, message)
    assert worker.complete() == "was succeeded already"
    assert worker.requests() == 1
    assert worker.nothing_is_held()
    assert isinstance(worker.client.peek(job.id), Result)
    assert len(worker.rows(JobRow)) == 1


def succeed(_: SmallWorker) -> None:
    pass


def fail(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "status", status=400, count=1)


def move(worker: SmallWorker) -> None:
    worker.pool.served_queues = frozenset({"free"})


def park(worker: SmallWorker) -> None:
    worker.redis.set(redis_keys.hold("provider:groq"), f"{round(worker.redis_now_s() * 1000) + 60_000} down", px=60_000)
    worker.configure(models={"groq-small": worker.pool.registry.models["groq-small"]})


def rest(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "down", count=1)
    worker.configure(models={"groq-small": worker.pool.registry.models["groq-small"]})


@pytest.mark.parametrize("step", [succeed, fail, move, park, rest])
def test_who_has_lost_the_claim_stores_nothing(worker: SmallWorker, step: Callable[[SmallWorker], None]) -> None:
    job = worker.submit()
    step(worker)
    it = worker.claim()
    now = worker.pool.now
    moments = iter([lambda: worker.lose_claim(it)])

    def frozen_meanwhile() -> datetime:
        next(moments, lambda: None)()
        return now()

    worker.pool.now = frozen_meanwhile  # asked for after the job was opened, and before it is let go
    assert worker.complete(it) == LOST
    assert worker.client.peek(job.id) is None
    assert worker.redis.llen(FREE) == 1, "the message is where the sweep put it"
    assert worker.redis.zcard(redis_keys.PARKED) == worker.redis.llen(list_name("free.groq", 6)) == 0
    assert worker.rows(JobRow) == []

    worker.reset_pool()
    worker.time_passes()
    assert worker.complete().startswith("succeeded")
    assert worker.nothing_is_held()
    assert len({row.attempt_id for row in worker.rows(AttemptRow)}) == len(worker.rows(AttemptRow))
    assert len(worker.rows(JobRow)) == 1


def test_a_claim_that_was_lost_before_the_start_opens_nothing(worker: SmallWorker) -> None:
    worker.submit()
    it = worker.claim()
    worker.lose_claim(it)
    assert worker.complete(it) == LOST
    assert worker.requests() == 0


def killed(worker: SmallWorker, times: int) -> None:
    for _ in range(times):
        worker.lose_claim(worker.claim())


def test_the_third_delivery_is_still_tried(worker: SmallWorker) -> None:
    worker.submit()
    killed(worker, 2)
    assert worker.complete().startswith("succeeded")


def test_progress_forgives_earlier_deaths(worker: SmallWorker) -> None:
    worker.submit()
    killed(worker, 2)
    worker.pool.served_queues = frozenset({"free"})
    assert worker.complete() == "moved to free.groq"
    worker.pool.served_queues = frozenset({"free.groq"})
    assert worker.claim().deliveries == 1


def test_a_message_without_a_job_is_dropped(worker: SmallWorker) -> None:
    job = worker.submit()
    worker.redis.delete(shared_keys.job(job.id))
    assert worker.complete() == "has no record: its message is dropped"
    assert worker.nothing_is_held()


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        pytest.param("version", 2, "version", id="another version"),
        pytest.param("colour", "red", "colour", id="a field of another release"),
        pytest.param("priority", "urgent", "priority", id="a value of another release"),
    ],
)
def test_a_job_of_another_contract_is_refused_by_name(worker: SmallWorker, field: str, value: Any, named: str) -> None:
    job = worker.submit()
    spec = json.loads(worker.record(job)["spec"])
    worker.redis.hset(shared_keys.job(job.id), "spec", json.dumps(spec | {field: value}))
    worker.complete()
    assert_refused(worker, job, named)


def test_a_trail_of_another_contract_is_refused_by_name(worker: SmallWorker) -> None:
    job = worker.submit()
    worker.redis.hset(shared_keys.job(job.id), "trail", json.dumps([{"mood": "good"}]))
    worker.complete()
    assert_refused(worker, job, "mood")


def assert_refused(worker: SmallWorker, job: JobHandle, named: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"cannot read this job \(see .*{named}.*\): update the workers"):
        job.result(timeout=5)
    assert worker.requests() == 0
    assert worker.nothing_is_held()
    [row] = worker.rows(JobRow)
    assert (row.job_id, row.state, row.agent, row.error_type) == (job.id, JobState.FAILED, "log_analyzer", "ConfigurationError")


def test_a_job_of_another_contract_is_kept_and_done_once_the_workers_know_it(worker: SmallWorker) -> None:
    job = worker.submit()
    spec = worker.record(job)["spec"]
    worker.redis.hset(shared_keys.job(job.id), "spec", json.dumps(json.loads(spec) | {"colour": "red"}))
    assert worker.complete().startswith("is a dead letter: the workers' release cannot read this job (see colour)")
    worker.redis.hset(shared_keys.job(job.id), "spec", spec)
    letters = DeadLetters(worker.pool.books.redis)
    letter = letters.find(job.id)
    assert letter is not None
    assert letters.revive(letter) == REVIVED
    assert worker.complete().startswith("succeeded")
    assert job.result(timeout=5).content
    assert [row.state for row in worker.rows(JobRow)] == [JobState.FAILED, JobState.SUCCEEDED]


def test_a_job_of_another_contract_that_was_cancelled_stays_so(worker: SmallWorker) -> None:
    job = worker.submit()
    job.cancel()
    worker.redis.hset(shared_keys.job(job.id), "spec", "{}")
    assert worker.complete() == LOST
    assert worker.nothing_is_held()


def test_a_delivery_names_the_message_that_brought_it(worker: SmallWorker) -> None:
    job = worker.submit()
    it = worker.claim()
    assert it == Delivery(task_id=job.id, tag=it.tag, queue="free", deliveries=1)


def test_a_job_whose_worker_was_lost_says_that_it_was_begun_again(worker: SmallWorker) -> None:
    job = worker.submit()
    first = worker.claim()
    worker.run(worker.pool.jobs.open(job.id, first))
    worker.run(worker.pool.jobs.open(job.id, first))  # asked again, because the answer was lost
    assert job.status().restarts == 0
    worker.lose_claim(first)
    worker.complete()
    assert job.status().restarts == 1
