"""Parked jobs come back when their time has come; the leases of dead workers end."""

from __future__ import annotations

import logging

import pytest
from small_worker import SmallWorker

from pool_client import JobHandle, JobState
from pool_client.queues import list_name
from pool_worker import redis_keys
from pool_worker.broker.jobs import Until
from pool_worker.limits.acquire import Lease, acquire
from pool_worker.limits.candidates import Candidate, Charge
from pool_worker.limits.settle import settle, used
from pool_worker.maintenance.queues import RELEASE_AT_MOST, expire_leases, release_due_jobs

FREE = list_name("free", 6)


def park(worker: SmallWorker, *, due_ms: int) -> JobHandle:
    job = worker.submit()
    worker.run(worker.pool.jobs.park(job.id, worker.claim(), wait=Until(due_ms), reason="no quota", trail=[]))
    return job


def release(worker: SmallWorker) -> int:
    return int(worker.run(release_due_jobs(worker.pool)))


def test_who_is_due_comes_back_the_longest_due_first(worker: SmallWorker) -> None:
    later, first, second = (park(worker, due_ms=due_ms) for due_ms in (3000, 1000, 2000))
    far = park(worker, due_ms=round(worker.redis_now_s() * 1000) + 60_000)
    waiting = worker.submit()
    assert release(worker) == 3
    assert release(worker) == 0
    assert [job.status().state for job in (first, second, later, far)] == [JobState.QUEUED] * 3 + [JobState.PARKED]
    assert first.status().wait_reason is None
    assert [worker.claim().task_id for _ in range(4)] == [first.id, second.id, later.id, waiting.id]


def test_a_tick_brings_back_a_handful(worker: SmallWorker) -> None:
    for _ in range(RELEASE_AT_MOST + 3):
        park(worker, due_ms=1000)
    assert [release(worker) for _ in range(3)] == [RELEASE_AT_MOST, 3, 0]
    assert worker.redis.llen(FREE) == RELEASE_AT_MOST + 3
    assert worker.redis.hlen(redis_keys.PARKED_MESSAGES) == 0


def test_a_job_that_came_back_is_completed(worker: SmallWorker) -> None:
    job = park(worker, due_ms=1000)
    release(worker)
    worker.complete()
    assert job.result(timeout=5).content


def test_a_dead_workers_lease_ends_at_its_estimate(worker: SmallWorker, caplog: pytest.LogCaptureFixture) -> None:
    registry = worker.pool.registry
    model = registry.models["groq-small"]
    provider = registry.provider_of(model)
    candidate = Candidate(model, provider, provider.limits, provider.queue)
    lease = worker.run(
        acquire(
            worker.pool.redis,
            [candidate],
            lease_id="of the dead",
            job_id="its job",
            charge=Charge(),
            ttl_ms=60_000,
            served_queues=worker.pool.served_queues,
        )
    )
    assert isinstance(lease, Lease)
    assert worker.run(expire_leases(worker.pool)) == 0, "it may still be alive"
    worker.redis.zadd(redis_keys.LEASES, {lease.id: 0})
    with caplog.at_level(logging.WARNING):
        assert worker.run(expire_leases(worker.pool)) == 1
    assert [record.getMessage() for record in caplog.records] == ["the lease on groq#1 for job its job ended without its worker"]
    assert worker.redis.zcard(redis_keys.in_flight("groq#1")) == 0
    assert not worker.run(settle(worker.pool.redis, used(lease.id, actual=Charge()))), "it is over"
    assert worker.run(expire_leases(worker.pool)) == 0
