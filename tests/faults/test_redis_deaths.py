"""Redis itself dies, loses the end of its file, or stands still: faults 6, 8 and 12."""

from __future__ import annotations

import os

from callers import PatientCaller
from forgetting import Forgetful
from redis_runs import all_end, judged, some_end, start_workers
from reservations import COUNTED
from runs import Seed, StartLab, lasts, sized


def test_6_redis_is_killed_and_restarted_under_load(start_lab: StartLab, seed: Seed) -> None:
    lab, rng, kills = start_lab(latency_ms=100, providers=COUNTED), seed.rng(), sized(2, 15)
    start_workers(lab)
    jobs = lab.submit(sized(300, 6000))
    with PatientCaller(lab) as caller:
        for number in range(kills):
            some_end(lab, jobs, (number + rng.random()) / (kills + 1))
            lab.redis.kill()
            lasts(rng.uniform(0, 1))
            lab.redis.start()
        handles = [*jobs, *caller.stop()]
        back_s = all_end(lab, handles)
        caller.results(within_s=1)
    judged(lab, handles, seed, what=f"fault 6: {kills} kills of Redis, back in {back_s:.1f} s")


def test_8_the_end_of_the_append_only_file_is_lost(start_lab: StartLab, seed: Seed) -> None:
    """As when the machine goes down: Redis has forgotten the last seconds, the workers and the providers have not."""
    lab, rng = start_lab(latency_ms=100, providers=COUNTED), seed.rng()
    start_workers(lab)
    jobs = lab.submit(sized(200, 2000))
    (file,) = (lab.redis.home / "appendonlydir").glob("*.incr.aof")
    with PatientCaller(lab) as caller:
        some_end(lab, jobs, rng.uniform(0.1, 0.6))
        kept_jobs, kept = len(caller.handles), file.stat().st_size
        lasts(sized(1, 2))
        lab.redis.kill()
        cut_off = file.stat().st_size - kept
        os.truncate(file, kept + rng.randrange(200))
        forgetful = Forgetful(lab, caller, jobs, kept_jobs=kept_jobs)
        lab.redis.start()
        forgetful.go_on()
    forgetful.judge(seed, what=f"fault 8: {cut_off} bytes cut off")


def test_12_redis_stands_still_for_longer_than_any_claim_lasts(start_lab: StartLab, seed: Seed) -> None:
    """Whoever waits for an answer gives up after 15 s (in the full run) and asks again; nobody is taken for dead meanwhile."""
    lab, rng = start_lab(latency_ms=200, visibility_s=3, providers=COUNTED), seed.rng()
    start_workers(lab)
    jobs, freezes, freeze_s = lab.submit(sized(200, 2000)), sized(1, 3), sized(4, 20)
    for number in range(freezes):
        some_end(lab, jobs, (number + rng.random()) / (freezes + 1))
        lab.redis.freeze()
        lasts(freeze_s)
        lab.redis.thaw()
    back_s = all_end(lab, jobs)
    judged(lab, jobs, seed, what=f"fault 12: frozen {freezes} times for {freeze_s} s, back in {back_s:.1f} s")
