"""The leases of dead workers end."""

from __future__ import annotations

import logging

import pytest
from small_worker import SmallWorker

from pool_worker import redis_keys
from pool_worker.limits.acquire import Lease, acquire
from pool_worker.limits.candidates import Candidate, Charge
from pool_worker.limits.settle import settle, used
from pool_worker.maintenance.queues import expire_leases


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
