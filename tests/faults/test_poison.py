"""Fault 21: a job that kills every worker that works on it. It is given up after three deaths, and takes no other job with it."""

from __future__ import annotations

import pytest
from checker import check
from lab import FINAL, Lab
from lab_processes import until
from runs import StartLab, sized, tell

from pool_client import CompletionError, JobHandle
from pool_client import redis_keys as shared_keys
from pool_worker import redis_keys
from pool_worker.broker.reading import MAX_DELIVERIES

KILLED = -9


def test_a_poison_job_is_given_up_after_three_deaths(start_lab: StartLab) -> None:
    lab = start_lab(visibility_s=1)
    poison = lab.submit(1)
    deaths = 0
    while lab.ended(poison) == 0:
        worker = lab.start_worker(f"w{deaths}", env={"MODEL_POOL_FAILPOINT": "leased"})
        until(lambda worker=worker: not worker.is_alive or lab.ended(poison), what=lambda worker=worker: worker.tail)
        deaths += not worker.is_alive
    assert deaths == MAX_DELIVERIES
    lab.quiesce(poison)
    findings = check(lab, poison, failures_allowed={poison[0].id}, lapsed_leases_allowed=True)
    tell(f"fault 21: given up after {deaths} deaths; {findings}")
    assert findings.clean, findings
    with pytest.raises(CompletionError, match="workers died"):
        poison[0].result(timeout=1)
    assert lab.redis.client.zrange(redis_keys.DEAD_LETTERS, 0, -1) == [poison[0].id]


def test_what_is_in_hand_with_a_poison_job_is_not_harmed(start_lab: StartLab) -> None:
    lab = start_lab(visibility_s=1, latency_ms=300)
    poison = lab.submit(1, label="poison")
    neighbours = lab.submit(sized(30, 300))
    deaths = let_it_kill(lab, poison[0])
    lab.quiesce([*poison, *neighbours], within_s=60)
    findings = check(
        lab,
        [*poison, *neighbours],
        failures_allowed={poison[0].id},
        duplicates_allowed=deaths,
        lapsed_leases_allowed=True,
    )
    tell(f"fault 21: {deaths} deaths beside {len(neighbours)} neighbours; {findings}")
    assert findings.clean, findings
    assert deaths in {MAX_DELIVERIES, MAX_DELIVERIES + 1}, "the last one may be killed while it gives the job up"
    assert findings.succeeded == len(neighbours)


def let_it_kill(lab: Lab, poison: JobHandle) -> int:
    """One worker after the other, each killed as soon as it works on the job; returns how many died of it."""
    deaths = 0
    while True:
        name = f"w{deaths}"
        worker = lab.start_worker(name, concurrency=10)
        until(lambda name=name: found_dead_or_at_work(lab, poison, name), what=lambda worker=worker: worker.tail)
        if lab.ended([poison]):
            return deaths
        worker.kill()
        deaths += 1


def found_dead_or_at_work(lab: Lab, job: JobHandle, worker: str) -> bool:
    """Whether the job has ended, or this worker works on it."""
    state, name = lab.redis.client.hmget(shared_keys.job(job.id), "state", "worker")
    return state in FINAL or (state == "running" and str(name).startswith(f"{worker}@"))
