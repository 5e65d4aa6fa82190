"""Fault 24: a worker that may open no more files and connections. It takes no more than it can do, and loses nothing."""

from __future__ import annotations

import pytest
from checker import check
from lab import Lab
from lab_processes import Process, until
from runs import StartLab, sized, tell

from pool_client import JobHandle

CONCURRENCY = 50
PLENTY = 1000


@pytest.mark.timeout(300)
@pytest.mark.parametrize("spare", [3, 10])
def test_a_worker_that_runs_out_of_descriptors_loses_nothing(start_lab: StartLab, spare: int) -> None:
    lab = start_lab(latency_ms=50)
    lab.start_beat()
    worker = lab.start_worker("short", concurrency=CONCURRENCY)
    jobs = lab.submit(1, label="first")
    lab.quiesce(jobs)
    worker.limit_files(worker.open_files() + spare)
    jobs += lab.submit(sized(100, 1000))
    until(lambda: is_in_trouble(lab, worker, jobs), what=lambda: worker.tail)
    ended, lived = lab.ended(jobs), worker.is_alive
    if lived:
        worker.limit_files(PLENTY)
    else:
        lab.start_worker("heir", concurrency=CONCURRENCY)
    lab.quiesce(jobs, within_s=60)
    findings = check(lab, jobs, lapsed_leases_allowed=not lived)
    tell(f"fault 24: {spare} descriptors to spare: {'it waited' if lived else 'it left'} after {ended} jobs; {findings}")
    assert findings.clean, findings


def is_in_trouble(lab: Lab, worker: Process, jobs: list[JobHandle]) -> bool:
    """Whether it has given up, or says so, or jobs wait because it could call nobody."""
    return not worker.is_alive or "parked" in lab.states(jobs).values() or "Too many open files" in worker.log.read_text()
