"""A few workers that are kept at full strength while a test takes them down one after the other, under a load that never ends."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab import FINAL, Lab
from lab_processes import Process, until
from runs import sized

from pool_client import JobHandle
from pool_client import redis_keys as shared_keys
from pool_worker import redis_keys
from pool_worker.broker.reading import MAX_DELIVERIES as DEADLY

BACKLOG = 150
"""So many jobs wait at least: no worker is idle when it is struck."""
ROWS_BETWEEN = (sized(20, 50), sized(100, 250))
"""So many rows (two a job) are told between two blows: then it is rare that a job is struck three times in a row."""


@dataclass(frozen=True, slots=True)
class Struck:
    """A job that was in the hands of a worker that was taken down."""

    job_id: str
    at_s: float
    """Redis's clock."""


@dataclass
class Herd:
    """Workers of one lab, and the jobs that they are given."""

    lab: Lab
    rng: random.Random
    size: int = 3
    options: dict[str, Any] = field(default_factory=dict)
    """Of `Lab.start_worker`."""
    jobs: list[JobHandle] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    _open: list[JobHandle] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)
    _born: int = 0

    def start(self, *, feed: bool = True) -> None:
        """Start them all, and give them work."""
        for _ in range(self.size):
            self._add()
        self.lab.until_ready(*self._names)
        if feed:
            self.feed()

    def took(self, jobs: list[JobHandle]) -> None:
        """These jobs were submitted."""
        self.jobs += jobs
        self._open += jobs

    def feed(self) -> None:
        """See to it that enough jobs wait."""
        while self.lab.waiting() < BACKLOG:
            self.took(self.lab.submit(BACKLOG, label=f"batch {len(self.jobs)}"))

    def strike(self, blow: Callable[[Process], object]) -> int:
        """Once some more jobs are done, take down a worker and send a new one after it; returns how many jobs it had begun."""
        self.feed()
        done = self.done() + self.rng.randrange(*ROWS_BETWEEN)
        until(lambda: self.done() >= done, what=lambda: f"{done} jobs\n{self.tails()}\nthey")
        return self.take_down(blow)

    def take_down(self, blow: Callable[[Process], object]) -> int:
        """The same, at once."""
        until(lambda: any(self.lab.is_ready(name) for name in self._names), what=lambda: f"one that is ready\n{self.tails()}")
        ready = [name for name in self._names if self.lab.is_ready(name)]
        name = self.rng.choice(ready)
        blow(self.lab.workers[name])
        seconds, microseconds = self.lab.redis.client.time()
        hit = [Struck(job_id, seconds + microseconds / 1e6) for job_id in self._in_hands_of(name)]
        self.struck += hit
        self._names.remove(name)
        self._add()
        return len(hit)

    def done(self) -> int:
        """How far the work has come: rows told to the ledger (no beat runs)."""
        return int(self.lab.redis.client.xlen(redis_keys.OUTBOX))

    def unlucky(self) -> set[str]:
        """Jobs that were in the hands of three dying workers: these are taken for poison."""
        return {job_id for job_id, times in Counter(each.job_id for each in self.struck).items() if times >= DEADLY}

    def redone_within_s(self) -> float:
        """The longest that a struck job took from the blow to its end."""
        with self.lab.redis.client.pipeline(transaction=False) as pipe:
            for each in self.struck:
                pipe.hget(shared_keys.job(each.job_id), "finished_ms")
            ended = pipe.execute()
        return max(
            (float(at) / 1000 - each.at_s for each, at in zip(self.struck, ended, strict=True) if at is not None), default=0.0
        )

    def _add(self) -> None:
        self._born += 1
        self._names.append(f"w{self._born}")
        self.lab.start_worker(self._names[-1], ready=False, **self.options)

    def _in_hands_of(self, name: str) -> list[str]:
        """Jobs that a worker had begun; those that have ended are forgotten on the way."""
        with self.lab.redis.client.pipeline(transaction=False) as pipe:
            for job in self._open:
                pipe.hmget(shared_keys.job(job.id), "state", "worker")
            told = list(zip(self._open, pipe.execute(), strict=True))
        self._open = [job for job, (state, _) in told if state not in FINAL]
        return [job.id for job, (state, worker) in told if state == "running" and (worker or "").startswith(f"{name}@")]

    def tails(self) -> str:
        return "\n".join(self.lab.workers[name].tail for name in self._names)


class StopWatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def s(self) -> float:
        return time.monotonic() - self._began
