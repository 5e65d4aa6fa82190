"""Faults 1 and 2: workers that die, anywhere."""

from __future__ import annotations

import pytest
from checker import check
from herd import Herd, StopWatch
from lab_processes import Process
from plain_app import OURS, STOCK
from plain_run import PlainRun
from runs import IS_FULL, Seed, StartLab, sized, tell

RECOVERED_WITHIN_S = 60


@pytest.mark.timeout(300)
def test_busy_workers_are_killed_and_no_job_is_lost_or_finished_twice(start_lab: StartLab, seed: Seed) -> None:
    kills, watch = sized(10, 100), StopWatch()
    herd = Herd(start_lab(latency_ms=10), seed.rng(), options={"concurrency": 2})
    herd.start()
    busy = 0
    while busy < kills:
        busy += herd.strike(Process.kill) > 0
    herd.lab.quiesce(herd.jobs, within_s=RECOVERED_WITHIN_S)
    unlucky = herd.unlucky()
    findings = check(herd.lab, herd.jobs, duplicates_allowed=2, failures_allowed=unlucky, lapsed_leases_allowed=True)
    tell(
        f"fault 1: {kills} kills of busy workers, {len(herd.struck)} jobs struck, {len(unlucky)} of them three times, "
        f"redone within {herd.redone_within_s():.1f} s, "
        f"{watch.s:.0f} s in all; {findings}; {seed}"
    )
    assert findings.clean, f"{findings}\n{seed}"
    assert findings.duplicates <= len(herd.struck), seed
    assert herd.redone_within_s() < RECOVERED_WITHIN_S, seed


full_only = pytest.mark.skipif(not IS_FULL, reason="a comparison of transports, for the full run")


@full_only
@pytest.mark.timeout(300)
def test_a_plain_app_on_our_transport_loses_no_task_either(start_lab: StartLab, seed: Seed) -> None:
    kills = 100
    findings = PlainRun(start_lab(), transport=OURS, rng=seed.rng()).kill_workers(kills)
    tell(f"fault 1, plain app on our transport: {kills} kills, {findings}; {seed}")
    assert findings.lost == 0, seed


@full_only
@pytest.mark.timeout(300)
def test_the_same_app_on_the_stock_transport_loses_some(start_lab: StartLab, seed: Seed) -> None:
    kills = 100
    findings = PlainRun(start_lab(), transport=STOCK, rng=seed.rng()).kill_workers(kills)
    tell(f"fault 1, the same on kombu's own transport: {kills} kills, {findings}; {seed}")
    assert findings.lost > 0, seed
