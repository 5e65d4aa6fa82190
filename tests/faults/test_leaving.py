"""Fault 4: workers that are asked to leave in the midst of their work, again and again, with calls that outlast their grace."""

from __future__ import annotations

import signal
import time

import pytest
from checker import check
from lab import Lab
from lab_processes import until
from runs import IS_FULL, Seed, StartLab, lasts, sized, tell

from pool_client import JobHandle
from pool_worker import redis_keys
from pool_worker.broker.reading import MAX_DELIVERIES

GRACE_S = 5.0 if IS_FULL else 0.5
CALL_S = 8.0 if IS_FULL else 2.0
GIVEN_BACK_WITHIN_S = 2.0
"""After the grace: calls are broken off, jobs go back, connections close."""
WORKERS = 2
CONCURRENCY = 10
BACKLOG = WORKERS * CONCURRENCY


def deploy(lab: Lab, old: str, new: str) -> float:
    """Replace a worker by another, the new one first; returns how many seconds the old one took to leave."""
    lab.start_worker(new, concurrency=CONCURRENCY, drain_s=GRACE_S)
    asked = time.monotonic()
    lab.workers[old].term()
    assert lab.workers[old].wait() == 0, lab.workers[old].tail
    return time.monotonic() - asked


@pytest.mark.timeout(300)
def test_rolling_deploys_lose_and_double_nothing(start_lab: StartLab, seed: Seed) -> None:
    deploys, rng = sized(3, 10), seed.rng()
    lab = start_lab(latency_ms=CALL_S * 1000, visibility_s=5)
    names = [f"w{number}" for number in range(WORKERS + deploys)]
    for name in names[:WORKERS]:
        lab.start_worker(name, concurrency=CONCURRENCY, drain_s=GRACE_S)
    jobs: list[JobHandle] = []
    took_s = []
    for old, new in zip(names, names[WORKERS:], strict=False):
        while lab.waiting() < BACKLOG:
            jobs += lab.submit(BACKLOG, label=new)
        lasts(rng.uniform(0, CALL_S))  # calls are at any stage
        took_s.append(deploy(lab, old, new))
    lab.quiesce(jobs, within_s=60)
    findings = check(lab, jobs, duplicates_allowed=deploys)
    grace = f"grace {GRACE_S} s, calls of {CALL_S:.1f} s, left within {max(took_s):.1f} s"
    tell(f"fault 4: {deploys} deploys, {grace}; {findings}; {seed}")
    assert findings.clean, f"{findings}\n{seed}"
    assert findings.duplicates > 0, f"no call outlasted the grace: {seed}"
    assert max(took_s) < GRACE_S + GIVEN_BACK_WITHIN_S, seed


def test_a_job_that_is_given_back_again_and_again_is_charged_no_attempt(start_lab: StartLab) -> None:
    lab = start_lab(latency_ms=2500, visibility_s=5)
    (job,) = jobs = lab.submit(1)
    times = MAX_DELIVERIES + 1
    for number in range(times):
        worker = lab.start_worker(f"hasty-{number}", drain_s=0)
        until(lambda number=number: lab.simulator.counts()["totals"]["charges"] > number, what="a call")
        worker.term()
        assert worker.wait() == 0, worker.tail
        assert lab.redis.client.llen("free\x06\x166") == 1, "it is back in its queue"
        assert not lab.redis.client.exists(redis_keys.DELIVERIES, redis_keys.UNACKED)
    lab.start_worker("patient")
    lab.quiesce(jobs)
    findings = check(lab, jobs, duplicates_allowed=times)
    tell(f"fault 4: given back {times} times: {findings}")
    assert findings.clean, findings
    assert findings.duplicates == times
    assert [attempt.outcome for attempt in job.result(timeout=1).attempts] == ["ok"]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGQUIT])
def test_a_second_signal_is_as_safe_as_a_kill(start_lab: StartLab, second: signal.Signals) -> None:
    lab = start_lab(latency_ms=1000, visibility_s=2)
    impatient = lab.start_worker("impatient", concurrency=CONCURRENCY, drain_s=20)
    jobs = lab.submit(2 * CONCURRENCY)
    until(lambda: "running" in lab.states(jobs).values(), what="work")
    impatient.term()
    lasts(0.1)  # the first one is being heeded
    impatient.signal(second)
    asked = time.monotonic()
    code = impatient.wait()
    took_s = time.monotonic() - asked
    lab.start_worker("heir")
    lab.quiesce(jobs)
    findings = check(lab, jobs, duplicates_allowed=1, lapsed_leases_allowed=True)
    tell(f"fault 4: SIGTERM and {second.name}: exit code {code} after {took_s:.1f} s; {findings}")
    assert findings.clean, findings
