"""Fault 2: death at a named point. Only between the provider's answer and `finish` can it cost a second charge."""

from __future__ import annotations

import pytest
from checker import check
from lab import Lab
from lab_processes import Process
from runs import IS_FULL, StartLab, tell

JOBS = 40
KILLED = -9
SECOND_CHARGES = {"claim_sent": 0, "claimed": 0, "leased": 0, "answered": 1, "finished": 0, "moved": 0}
"""Point → what the death of a worker with one job in hand may cost."""
RUNS = [[point] for point in SECOND_CHARGES] if IS_FULL else [list(SECOND_CHARGES)]
ONE_PROVIDER = {"groq": {}, **dict.fromkeys(("cerebras", "mistral", "openai"))}


def start_doomed(lab: Lab, point: str, time: int) -> Process:
    """A worker that dies when it gets to a point for the nth time. One that serves no provider's queue moves its jobs."""
    queues = ["free"] if point == "moved" else None
    armed = {"MODEL_POOL_FAILPOINT": f"{point}:{time}"}
    return lab.start_worker(f"dies-{point}-{time}", env=armed, concurrency=1, queues=queues, ready=False)


@pytest.mark.parametrize("points", RUNS, ids=",".join)
def test_a_death_at_a_named_point_loses_nothing(start_lab: StartLab, points: list[str]) -> None:
    lab = start_lab(visibility_s=2)
    jobs = lab.submit(JOBS)
    for time in (1, 3) if IS_FULL else (2,):
        doomed = [start_doomed(lab, point, time) for point in points]
        assert [worker.wait() for worker in doomed] == [KILLED] * len(points), [worker.tail for worker in doomed]
    lab.start_worker("heir")
    lab.quiesce(jobs)
    findings = check(lab, jobs, duplicates_allowed=1, lapsed_leases_allowed=True)
    tell(f"fault 2: death at {', '.join(points)}: {findings}")
    assert findings.clean, findings
    deaths = 2 if IS_FULL else 1
    assert findings.duplicates == deaths * sum(SECOND_CHARGES[point] for point in points)


def test_a_death_right_after_parking_loses_nothing(start_lab: StartLab) -> None:
    lab = start_lab(visibility_s=2, providers=ONE_PROVIDER, key_counts={"groq": 1})
    lab.simulator.fault("groq", "status", status=429, retry_after_s=1, count=1)
    jobs = lab.submit(JOBS)
    doomed = start_doomed(lab, "parked", 1)
    assert doomed.wait() == KILLED, doomed.tail
    assert "parked" in lab.states(jobs).values()
    lab.start_worker("heir")
    lab.start_beat()
    lab.quiesce(jobs)
    findings = check(lab, jobs, lapsed_leases_allowed=True)
    tell(f"fault 2: death at parked: {findings}")
    assert findings.clean, findings
    assert findings.duplicates == 0
