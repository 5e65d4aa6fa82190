"""What was told of who was ill is over when a check is answered or a job's call succeeds, whichever comes first."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from small_worker import SmallWorker

from pool_worker import redis_keys
from pool_worker.health.blame import fall
from pool_worker.ledger.rows import AlertRow
from pool_worker.limits.holds import hold
from pool_worker.maintenance.probes import probe_health

GROQ, SECOND_KEY = "provider:groq", "key:groq#2"
QUARANTINED, OUT = "provider groq is in quarantine", "provider groq is out of quarantine"


def told(worker: SmallWorker) -> list[str]:
    return [alert.title for alert in worker.rows(AlertRow)]


def fails_until_quarantine(worker: SmallWorker) -> None:
    """Its score is low, and the job that gets its turn there fails."""
    worker.redis.set(redis_keys.health(GROQ), "15 80 1")
    worker.simulator.fault("groq", "status", status=500)
    worker.submit()
    worker.complete()
    worker.simulator.clear_faults()


def is_answered_by_groq(worker: SmallWorker, *, jobs: int) -> None:
    for _ in range(jobs):
        job = worker.submit(model="groq-small")
        worker.complete()
        while job.status().state == "parked":
            worker.wake(job)
            worker.complete()
        job.result(timeout=5)


def check(worker: SmallWorker) -> None:
    """Beat's tick, some minutes later."""
    later = worker.pool.now() + timedelta(minutes=5)
    worker.pool.now = lambda: later
    worker.run(probe_health(worker.pool))


def is_told_to_be_down(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "down")
    for _ in range(2):
        worker.time_passes()
        worker.run(fall(worker.pool.redis, GROQ, first_s=100, reason="it failed", harms=[GROQ]))
    check(worker)
    assert told(worker) == ["groq is down"]
    worker.simulator.clear_faults()


def test_a_quarantine_that_a_check_ends_is_told_to_be_over(worker: SmallWorker) -> None:
    fails_until_quarantine(worker)
    (alert,) = worker.rows(AlertRow)
    assert alert.title == QUARANTINED
    assert "left alone for 5 minutes, or until a check finds it well, then it gets a few calls" in alert.message
    check(worker)
    assert worker.held() == {}
    assert told(worker) == [QUARANTINED, OUT]
    check(worker)
    assert told(worker) == [QUARANTINED, OUT]


def test_a_check_in_vain_does_not_end_it(worker: SmallWorker) -> None:
    fails_until_quarantine(worker)
    worker.simulator.fault("groq", "down")
    check(worker)
    assert told(worker) == [QUARANTINED]


def test_a_quarantine_that_ran_out_is_over_when_a_call_succeeds(worker: SmallWorker) -> None:
    fails_until_quarantine(worker)
    worker.time_passes()
    assert told(worker) == [QUARANTINED]
    is_answered_by_groq(worker, jobs=2)
    assert told(worker) == [QUARANTINED, OUT]


def test_a_keys_quarantine_too(worker: SmallWorker) -> None:
    worker.redis.set(redis_keys.health(SECOND_KEY), "10 80 1")
    worker.simulator.fault("groq", "status", status=500, key="groq#2")
    for _ in range(2):
        worker.submit()
        worker.complete()
        worker.time_passes_for(GROQ)
    (alert,) = worker.rows(AlertRow)
    assert "left alone for 5 minutes, then it gets" in alert.message, "no check asks with each key"
    worker.simulator.clear_faults()
    is_answered_by_groq(worker, jobs=3)
    assert told(worker) == ["key groq#2 is in quarantine"], "the other key has answered"
    worker.time_passes()
    worker.enroll()
    worker.run(hold(worker.pool.redis, "key:groq#1", ttl_ms=60_000, reason="WindowSpentError: none remain"))
    is_answered_by_groq(worker, jobs=1)
    assert told(worker) == ["key groq#2 is in quarantine", "key groq#2 is out of quarantine"]


def test_who_goes_in_and_out_is_told_of_once_in_six_hours(worker: SmallWorker) -> None:
    for _ in range(3):
        fails_until_quarantine(worker)
        check(worker)
    assert told(worker) == [QUARANTINED, OUT]
    ttl_s = worker.redis.ttl(redis_keys.alert_told(f"quarantine:{GROQ}"))
    assert 6 * 3600 - 60 < ttl_s <= 6 * 3600
    worker.redis.delete(redis_keys.alert_told(f"quarantine:{GROQ}"))  # its time has passed
    fails_until_quarantine(worker)
    assert told(worker) == [QUARANTINED, OUT, QUARANTINED]


def test_who_was_told_to_be_down_is_up_as_soon_as_a_job_is_answered(worker: SmallWorker) -> None:
    is_told_to_be_down(worker)
    worker.time_passes()
    assert worker.redis.exists(redis_keys.failed_checks("groq"))
    is_answered_by_groq(worker, jobs=1)
    assert told(worker) == ["groq is down", "groq is up again"]
    assert not worker.redis.exists(redis_keys.failed_checks("groq")), "the next failures are counted from the first"


def test_an_answer_from_somebody_else_says_nothing(worker: SmallWorker) -> None:
    is_told_to_be_down(worker)
    worker.redis.set(redis_keys.health("provider:cerebras"), "50 0 0")
    job = worker.submit(model="cerebras-small")
    worker.complete()
    assert job.result(timeout=5).provider == "cerebras"
    assert told(worker) == ["groq is down"]


def test_an_answer_to_a_call_that_was_under_way_when_it_fell_says_nothing(worker: SmallWorker) -> None:
    is_told_to_be_down(worker)
    worker.time_passes()
    worker.simulator.fault("groq", "slow", delay_s=1)

    async def scenario() -> str:
        task = asyncio.create_task(worker.work_on(worker.claim()))
        while not await asyncio.to_thread(worker.in_flight):
            pass
        await hold(worker.pool.redis, GROQ, ttl_ms=60_000, reason="ProviderFailedError: it failed")
        return await task

    worker.submit(model="groq-small")
    assert worker.run(scenario()).startswith("succeeded")
    assert told(worker) == ["groq is down"]


def test_who_is_wholly_well_costs_no_further_question(worker: SmallWorker) -> None:
    is_answered_by_groq(worker, jobs=1)
    before = worker.redis.info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"]
    is_answered_by_groq(worker, jobs=1)
    well = worker.redis.info("commandstats")["cmdstat_mget"]["calls"] - before
    worker.redis.set(redis_keys.health(GROQ), "90 0 0")
    is_answered_by_groq(worker, jobs=1)
    assert worker.redis.info("commandstats")["cmdstat_mget"]["calls"] - before == 2 * well + 1
