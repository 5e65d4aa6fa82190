"""What the runs against Redis have in common: two workers, trouble in the midst of their work, and a verdict."""

from __future__ import annotations

import time
from collections.abc import Sequence

from checker import check
from lab import Lab, until
from reservations import miscounted
from runs import Seed, tell

from pool_client import JobHandle
from pool_client.queues import MAINTENANCE_QUEUE, list_names
from pool_worker import redis_keys

WORKERS = ("a", "b")
BACK_WITHIN_S = 60.0
"""When trouble is over, work is to go on by then."""
SLOWEST_JOBS_PER_S = 30
"""Of two workers on a crowded machine."""


def start_workers(lab: Lab, *, redis_url: str | None = None) -> None:
    """Both at once, through `redis_url` (None: directly)."""
    for name in WORKERS:
        lab.start_worker(name, redis_url=redis_url, ready=False)
    lab.until_ready(*WORKERS)


def some_end(lab: Lab, jobs: Sequence[JobHandle], share: float) -> None:
    """Wait until this share of the jobs has ended."""
    lab.survive(lambda: lab.ended(jobs) >= share * len(jobs), within_s=_long_enough(jobs), what=lambda: f"the end of {share:.0%}")


def goes_on(lab: Lab, jobs: Sequence[JobHandle]) -> float:
    """Wait until one job more has ended; returns the seconds that it took."""
    began, before = time.monotonic(), lab.ended(jobs)
    told = lambda: f"a job more than {before}\n" + "\n".join(process.tail for process in lab.processes)  # noqa: E731
    until(lambda: lab.ended(jobs) > min(before, len(jobs) - 1), within_s=BACK_WITHIN_S, what=told)
    return time.monotonic() - began


def all_end(lab: Lab, jobs: Sequence[JobHandle]) -> float:
    """Work has to go on in time, and to end some day; returns the seconds until it went on."""
    back_s = goes_on(lab, jobs)
    lab.quiesce(jobs, within_s=_long_enough(jobs))
    return back_s


def _long_enough(jobs: Sequence[JobHandle]) -> float:
    return BACK_WITHIN_S + len(jobs) / SLOWEST_JOBS_PER_S


def judged(lab: Lab, jobs: Sequence[JobHandle], seed: Seed, *, what: str, duplicates_allowed: int = 0) -> None:
    """Everything has to be as if nothing had happened, and everybody still there. The run must have been `COUNTED`."""
    gone = [process.tail for process in lab.processes if not process.is_alive]
    for process in lab.processes:
        if process.name == "beat":
            process.kill()  # its ticks would come and go under the judge's eyes
    until(lambda: not _ticks(lab), what="the end of beat's last ticks")
    findings, wrong = check(lab, jobs, duplicates_allowed=duplicates_allowed), list(miscounted(lab))
    tell(f"{what}, {findings}, {wrong or 'every call reserved once'}, {seed}")
    assert findings.clean, f"{findings}\n{seed}"
    assert not wrong, seed
    assert not gone, f"nobody gives up: {gone}"


def _ticks(lab: Lab) -> int:
    """Beat's ticks that wait or are in somebody's hands."""
    waiting = sum(lab.redis.client.llen(name) for name in list_names(MAINTENANCE_QUEUE))
    return waiting + lab.redis.client.hlen(redis_keys.UNACKED) - len(lab.claimed())
