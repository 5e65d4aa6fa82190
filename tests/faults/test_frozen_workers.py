"""Fault 3: a worker stands still for longer than its messages are kept for it, and then goes on as if nothing had happened."""

from __future__ import annotations

import pytest
from checker import check
from lab import Lab
from lab_processes import Process, until
from runs import Seed, StartLab, lasts, sized, tell

from pool_client import JobHandle

WORKERS = ("a", "b", "c")
BATCH = 60


@pytest.mark.timeout(300)
def test_a_late_finisher_is_fenced_and_its_calls_stand_in_the_books(start_lab: StartLab, seed: Seed) -> None:
    freezes, rng = sized(2, 20), seed.rng()
    lab = start_lab(latency_ms=100, visibility_s=1)
    for name in WORKERS:
        lab.start_worker(name, concurrency=10, ready=False)
    lab.until_ready(*WORKERS)
    jobs: list[JobHandle] = []
    redone = 0
    for number in range(freezes):
        batch = lab.submit(BATCH, label=f"batch {number}")
        jobs += batch
        until(lambda batch=batch: lab.ended(batch) > 0, what="the first job")
        redone += stand_still(lab, lab.workers[rng.choice(WORKERS)], batch)
    lab.quiesce(jobs)
    for worker in lab.workers.values():
        worker.term()
    assert [worker.wait() for worker in lab.workers.values()] == [0] * len(WORKERS)
    findings = check(lab, jobs, duplicates_allowed=freezes)
    tell(f"fault 3: {freezes} freezes, {redone} jobs redone meanwhile; {findings}; {seed}")
    assert findings.clean, f"{findings}\n{seed}"
    assert redone > 0, seed


def stand_still(lab: Lab, worker: Process, jobs: list[JobHandle]) -> int:
    """Freeze it in the midst of its work until the others have done all of it; returns how many jobs it had in hand."""
    worker.freeze()
    lasts(0.3)  # the others' calls end meanwhile: who is running after that is in its hands
    in_hand = len(jobs) - lab.ended(jobs)
    lab.quiesce(jobs)
    worker.thaw()
    return in_hand
