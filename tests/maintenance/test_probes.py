"""A provider that fell is asked whether it is well again, so that no job has to find out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from small_worker import SmallWorker

from pool_worker import redis_keys
from pool_worker.health.blame import fall
from pool_worker.limits.holds import hold
from pool_worker.maintenance.probes import probe_health

GROQ = "provider:groq"


@pytest.fixture
def fallen(worker: SmallWorker) -> SmallWorker:
    worker.run(fall(worker.pool.redis, GROQ, first_s=100, reason="it failed"))
    return worker


def check(worker: SmallWorker, *, after_s: float) -> int:
    """Beat's tick, so much later."""
    later = worker.pool.now() + timedelta(seconds=after_s)
    worker.pool.now = lambda: later
    return worker.run(probe_health(worker.pool))


def checks_in_vain(worker: SmallWorker) -> int:
    return int((worker.redis.get(redis_keys.failed_checks("groq")) or "0").split()[0])


def falls(worker: SmallWorker) -> int:
    return int(worker.redis.get(redis_keys.failures(GROQ)) or 0)


def test_a_provider_that_is_well_again_is_forgiven(fallen: SmallWorker) -> None:
    assert fallen.run(probe_health(fallen.pool)) == 1
    assert fallen.held() == {}
    assert falls(fallen) == 0
    assert fallen.requests() == 0, "the question counts against no quota"
    assert fallen.simulator.counts()["providers"]["groq"]["listings"] == 1


def test_a_job_that_waits_for_it_is_answered_at_once_and_not_at_the_old_time(fallen: SmallWorker) -> None:
    job, other = fallen.submit(model="groq-small"), fallen.submit(model="cerebras-small")
    fallen.run(hold(fallen.pool.redis, "provider:cerebras", ttl_ms=100_000, reason="ProviderFailedError: it failed"))
    assert fallen.complete() == "parked: groq-small: it failed"
    fallen.complete()
    assert fallen.waits_s(job) == pytest.approx(100, abs=1)
    assert fallen.run(fallen.pool.jobs.release_due())[0] == 0

    fallen.run(probe_health(fallen.pool))
    assert fallen.pool.jobs.earlier.is_set(), "who waits to let jobs go is rung"
    assert fallen.run(fallen.pool.jobs.release_due())[0] == 1
    assert fallen.complete() == "succeeded on groq-small after 1 call(s)"
    assert fallen.waits_s(other) == pytest.approx(100, abs=1)


def test_who_never_fell_is_not_asked(worker: SmallWorker) -> None:
    assert worker.run(probe_health(worker.pool)) == 0
    assert all(provider["listings"] == 0 for provider in worker.simulator.counts()["providers"].values())


def test_who_is_still_down_falls_again_and_longer(fallen: SmallWorker) -> None:
    fallen.simulator.fault("groq", "down")
    assert fallen.run(probe_health(fallen.pool)) == 0
    assert fallen.held() == {GROQ: pytest.approx(100, abs=1)}, "during a hold nothing changes"
    fallen.time_passes()
    check(fallen, after_s=60)
    assert falls(fallen) == 2
    assert fallen.held() == {GROQ: pytest.approx(2 * 5, abs=1)}


def test_checks_in_vain_become_rarer_up_to_five_minutes(fallen: SmallWorker) -> None:
    fallen.simulator.fault("groq", "down")
    ticks_of_half_an_hour = []
    for tick in range(60):
        before = checks_in_vain(fallen)
        check(fallen, after_s=30)
        if checks_in_vain(fallen) > before:
            ticks_of_half_an_hour.append(tick)
    assert ticks_of_half_an_hour == [0, 1, 3, 7, 15, 25, 35, 45, 55]


def test_a_check_that_is_answered_ends_the_waiting(fallen: SmallWorker) -> None:
    fallen.simulator.fault("groq", "down")
    for _ in range(3):
        check(fallen, after_s=300)
    fallen.simulator.clear_faults()
    assert check(fallen, after_s=300) == 1
    fallen.run(fall(fallen.pool.redis, GROQ, first_s=1, reason="it failed"))
    assert check(fallen, after_s=0) == 1


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
