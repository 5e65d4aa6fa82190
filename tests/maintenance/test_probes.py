"""A provider that fell is asked whether it is well again, so that no job has to find out."""

from __future__ import annotations

import pytest
from small_worker import SmallWorker

from pool_worker import redis_keys
from pool_worker.health.blame import fall
from pool_worker.maintenance.probes import probe_health

GROQ = "provider:groq"


@pytest.fixture
def fallen(worker: SmallWorker) -> SmallWorker:
    worker.run(fall(worker.pool.redis, GROQ, first_s=100, reason="it failed"))
    return worker


def falls(worker: SmallWorker) -> int:
    return int(worker.redis.get(redis_keys.failures(GROQ)) or 0)


def test_a_provider_that_is_well_again_is_forgiven(fallen: SmallWorker) -> None:
    assert fallen.run(probe_health(fallen.pool)) == 1
    assert fallen.held() == {}
    assert falls(fallen) == 0
    assert fallen.requests() == 0, "the question counts against no quota"
    assert fallen.simulator.counts()["providers"]["groq"]["listings"] == 1


def test_who_never_fell_is_not_asked(worker: SmallWorker) -> None:
    assert worker.run(probe_health(worker.pool)) == 0
    assert all(provider["listings"] == 0 for provider in worker.simulator.counts()["providers"].values())


def test_who_is_still_down_falls_again_and_longer(fallen: SmallWorker) -> None:
    fallen.simulator.fault("groq", "down")
    assert fallen.run(probe_health(fallen.pool)) == 0
    assert fallen.held() == {GROQ: pytest.approx(100, abs=1)}, "during a hold nothing changes"
    fallen.time_passes()
    fallen.run(probe_health(fallen.pool))
    assert falls(fallen) == 2
    assert fallen.held() == {GROQ: pytest.approx(2 * 5, abs=1)}


def test_a_key_that_is_refused_is_not_the_providers_fault(fallen: SmallWorker) -> None:
    fallen.simulator.fault("groq", "unauthorized")
    fallen.time_passes()
    assert fallen.run(probe_health(fallen.pool)) == 0
    assert fallen.held() == {}
    assert falls(fallen) == 1


def test_a_worker_asks_only_whom_it_serves(fallen: SmallWorker) -> None:
    fallen.pool.served_queues = frozenset({"free.cerebras"})
    assert fallen.run(probe_health(fallen.pool)) == 0
    assert falls(fallen) == 1


def test_without_a_key_nobody_is_asked(fallen: SmallWorker) -> None:
    fallen.pool.secrets = {}
    assert fallen.run(probe_health(fallen.pool)) == 0
    assert falls(fallen) == 1
