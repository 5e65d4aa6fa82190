"""Redis itself dies, loses the end of its file, or stands still: faults 6, 8 and 12."""

from __future__ import annotations

import os
import time

from callers import PatientCaller
from checker import check
from forgetting import Forgetful
from lab import Lab, until
from reservations import COUNTED, miscounted
from runs import Seed, StartLab, sized, tell

from pool_client import JobHandle

BACK_WITHIN_S = 60.0


def part_done(lab: Lab, jobs: list[JobHandle], share: float) -> None:
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


def test_8_the_end_of_the_append_only_file_is_lost(start_lab: StartLab, seed: Seed) -> None:
    """As when the machine goes down: Redis has forgotten the last seconds, the workers and the providers have not."""
    lab, rng = start_lab(latency_ms=100), seed.rng()
    for name in ("a", "b"):
        lab.start_worker(name, ready=False)
    lab.until_ready("a", "b")
    jobs = lab.submit(sized(200, 2000))
    (file,) = (lab.redis.home / "appendonlydir").glob("*.incr.aof")
    with PatientCaller(lab) as caller:
        part_done(lab, jobs, rng.uniform(0.1, 0.6))
        kept, kept_jobs = file.stat().st_size, len(caller.handles)
        time.sleep(sized(1, 2))
        lab.redis.kill()
        cut_off = file.stat().st_size - kept
        os.truncate(file, kept + rng.randrange(200))
        forgetful = Forgetful(lab, caller, jobs, maybe_lost=caller.handles[kept_jobs : len(caller.handles) + 1])
        lab.redis.start()
        forgetful.go_on(within_s=BACK_WITHIN_S)
    forgetful.judge(seed, what=f"fault 8: {cut_off} bytes cut off")


def test_12_redis_stands_still_for_longer_than_any_claim_lasts(start_lab: StartLab, seed: Seed) -> None:
    """Whoever waits for an answer gives up after 15 s (in the full run) and asks again; nobody is taken for dead meanwhile."""
    lab, rng = start_lab(latency_ms=200, visibility_s=3, providers=COUNTED), seed.rng()
    for name in ("a", "b"):
        lab.start_worker(name, ready=False)
    lab.until_ready("a", "b")
    jobs, freezes, freeze_s = lab.submit(sized(200, 2000)), sized(1, 3), sized(4, 20)
    for number in range(freezes):
        part_done(lab, jobs, (number + rng.random()) / (freezes + 1))
        lab.redis.freeze()
        time.sleep(freeze_s)
        lab.redis.thaw()
    lab.quiesce(jobs, within_s=BACK_WITHIN_S)
    findings, wrong = check(lab, jobs), list(miscounted(lab))
    tell(f"fault 12: frozen {freezes} times for {freeze_s} s, {findings}, {wrong or 'every call reserved once'}, {seed}")
    assert findings.clean, f"{findings}\n{seed}"
    assert not wrong, seed
