"""The leases of dead workers end, and the books have their calls."""

from __future__ import annotations

import logging

import pytest
from small_worker import PAID, SmallWorker

from pool_client import Tier
from pool_worker import redis_keys
from pool_worker.completion import end_lapsed
from pool_worker.completion.estimates import estimate_usage
from pool_worker.ledger.rows import AttemptRow
from pool_worker.limits.acquire import Lease, acquire
from pool_worker.limits.candidates import Candidate, Charge
from pool_worker.limits.settle import settle, used


def leased(worker: SmallWorker, model_id: str, *, job_id: str) -> Lease:
    """As by a worker that dies right after."""
    registry = worker.pool.registry
    model = registry.models[model_id]
    provider = registry.provider_of(model)
    lease = worker.run(
        acquire(
            worker.pool.redis,
            [Candidate(model, provider, provider.limits, provider.queue)],
            lease_id="of the dead",
            job_id=job_id,
            ttl_ms=60_000,
            served_queues=worker.pool.served_queues,
        )
    )
    assert isinstance(lease, Lease)
    return lease


def end(worker: SmallWorker) -> int:
    return int(worker.run(end_lapsed(worker.pool.redis, worker.pool.registry)))


def test_a_dead_workers_lease_ends_at_its_estimate(worker: SmallWorker, caplog: pytest.LogCaptureFixture) -> None:
    lease = leased(worker, "groq-small", job_id="its job")
    assert end(worker) == 0, "it may still be alive"
    worker.redis.zadd(redis_keys.LEASES, {lease.id: 0})
    with caplog.at_level(logging.WARNING):
        assert end(worker) == 1
    assert [record.getMessage() for record in caplog.records] == ["the lease on groq#1 for job its job ended without its worker"]
    assert worker.redis.zcard(redis_keys.in_flight("groq", "groq#1")) == 0
    assert not worker.run(settle(worker.pool.redis, used(lease.id, actual=Charge()))), "it is over"
    assert worker.rows(AttemptRow) == [], "nothing is known of such a job"
    assert end(worker) == 0


def test_the_books_have_a_dead_workers_call_once_at_its_estimate(worker: SmallWorker) -> None:
    job = worker.submit("What did it cost?", tier=Tier.PAID, max_tokens=1000)
    lease = leased(worker, "openai-small", job_id=job.id)
    worker.redis.zadd(redis_keys.LEASES, {lease.id: 0})
    assert [end(worker), end(worker)] == [1, 0]
    [row] = worker.rows(AttemptRow)
    assert (row.attempt_id, row.job_id, row.key_id, row.outcome) == (lease.id, job.id, "openai#1", "AbandonedError")
    expected = estimate_usage(worker.job(job), worker.pool.registry.models["openai-small"])
    assert (row.input_tokens, row.output_tokens) == (expected.input_tokens, expected.output_tokens) != (0, 0)
    assert row.cost == PAID.cost_usd(expected)
    assert round(row.created_at.timestamp() * 1000) == lease.acquired_ms


def test_a_call_is_booked_under_its_leases_id_whoever_tells_of_it(worker: SmallWorker) -> None:
    """A worker that was only cut off tells of a call that is booked already: the ledger keeps one row per id."""
    worker.submit()
    worker.complete()
    [row] = worker.rows(AttemptRow)
    assert worker.redis.hget(redis_keys.lease(row.attempt_id), "state") == "settled"
