"""Redis itself dies, loses the end of its file, or stands still: faults 6, 8 and 12."""

from __future__ import annotations

import time

from callers import PatientCaller
from checker import check
from lab import Lab, until
from runs import Seed, StartLab, sized, tell

BACK_WITHIN_S = 60.0


def part_done(lab: Lab, jobs: list, share: float) -> None:
    """Wait until this share of the jobs has ended."""
    until(lambda: lab.ended(jobs) >= share * len(jobs), within_s=BACK_WITHIN_S, what=lambda: f"{share:.0%} of the jobs")


def test_6_redis_is_killed_and_restarted_under_load(start_lab: StartLab, seed: Seed) -> None:
    lab, rng, kills = start_lab(latency_ms=100), seed.rng(), sized(2, 15)
    for name in ("a", "b"):
        lab.start_worker(name, ready=False)
    lab.until_ready("a", "b")
    jobs = lab.submit(sized(300, 6000))
    with PatientCaller(lab) as caller:
        for number in range(kills):
            part_done(lab, jobs, (number + rng.random()) / (kills + 1))
            lab.redis.kill()
            time.sleep(rng.uniform(0, 1))
            lab.redis.start()
        handles = [*jobs, *caller.stop()]
        lab.quiesce(handles, within_s=BACK_WITHIN_S)
        caller.results(within_s=1)
    findings = check(lab, handles)
    tell(f"fault 6: {kills} kills of Redis, {findings}, {seed}")
    assert findings.clean, f"{findings}\n{seed}"
