"""Everything at once: workers and Redis are killed and connections cut, in random order, while jobs are submitted and done."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from checker import check
from herd import Herd, StopWatch
from lab import Lab
from lab_processes import Process, until
from runs import Seed, StartLab, lasts, sized, tell

from pool_client import JobHandle, PoolUnavailableError

CONCURRENCY = 3
AHEAD = 4
"""So many blows ahead of the work are jobs submitted, so that none meets an idle worker."""
SUBMITTED_WITHIN_S = 20
ENDED_WITHIN_S = 90


class Storm:
    """The blows, and the jobs under them."""

    def __init__(self, lab: Lab, rng: random.Random, *, jobs: int, blows: int) -> None:
        self._lab = lab
        self._rng = rng
        self._wanted = jobs
        self._apart = jobs // (blows + AHEAD)
        self.herd = Herd(lab, rng, options={"concurrency": CONCURRENCY})
        self.blows: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[], Any]] = {
            "worker killed": self._kill_worker,
            "Redis killed": self._kill_redis,
            "connections cut": lab.redis.cut_connections,
        }

    def rage(self, blows: int) -> None:
        """As many blows, spread over all the jobs."""
        self.herd.start(feed=False)
        self._lab.start_beat()
        for number in range(blows):
            self._submit((number + AHEAD) * self._apart)
            done = min(len(self.herd.jobs) - 1, self._lab.ended(self.herd.jobs) + self._rng.randrange(1, self._apart))
            until(lambda done=done: self._lab.ended(self.herd.jobs) >= done, within_s=60, what=self._stand)
            kind = self._rng.choice(list(self._kinds))
            self._kinds[kind]()
            self.blows[kind] += 1
        self._submit(self._wanted)

    def _submit(self, total: int) -> None:
        """Until so many are submitted; what is not accepted is submitted again under the same idempotency key."""
        while len(self.herd.jobs) < total:
            numbers = range(len(self.herd.jobs), min(total, len(self.herd.jobs) + 50))
            requests = [
                {"prompt": f"job {number}: what do these lines tell?", "idempotency_key": str(number)} for number in numbers
            ]
            self.herd.took(self._accepted(requests))

    def _accepted(self, requests: list[dict[str, str]]) -> list[JobHandle]:
        deadline = time.monotonic() + SUBMITTED_WITHIN_S
        while True:
            try:
                return self._lab.caller.submit_many(requests, max_tokens=60)
            except PoolUnavailableError:
                if time.monotonic() > deadline:
                    raise

    def _kill_worker(self) -> None:
        self.herd.take_down(Process.kill)

    def _kill_redis(self) -> None:
        self._lab.redis.kill()
        lasts(self._rng.uniform(0, 1))  # how long it is away
        self._lab.redis.start()

    def _stand(self) -> str:
        return f"{dict(self.blows)}: {self._lab.ended(self.herd.jobs)} of {len(self.herd.jobs)} ended, {self.herd.tails()}\nmore"


@pytest.mark.timeout(800)
def test_worker_kills_redis_kills_and_cut_connections_in_random_order(start_lab: StartLab, seed: Seed) -> None:
    jobs, blows, watch = sized(200, 3000), sized(8, 90), StopWatch()
    lab = start_lab(latency_ms=20)
    storm = Storm(lab, seed.rng(), jobs=jobs, blows=blows)
    storm.rage(blows)
    herd = storm.herd
    lab.quiesce(herd.jobs, within_s=ENDED_WITHIN_S)
    assert len({job.id for job in herd.jobs}) == jobs, seed
    unlucky = herd.unlucky()
    findings = check(lab, herd.jobs, duplicates_allowed=3, failures_allowed=unlucky, lapsed_leases_allowed=True)
    hit = f"{len(herd.struck)} jobs struck, {len(unlucky)} of them three times"
    tell(f"mixed run: {dict(storm.blows)}, {hit}, {watch.s:.0f} s; {findings}; {seed}")
    assert findings.clean, f"{findings}\n{seed}"
    assert findings.duplicates <= len(herd.struck), f"only a worker's death excuses a second charge: {findings}\n{seed}"
