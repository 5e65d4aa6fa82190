"""Whatever waits for whatever, and however slow the workers are: parked jobs are let go in order and in handfuls, and every one
of them is done in the end."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import hypothesis.strategies as st
import redis
from hypothesis import HealthCheck, given, settings
from parking import Parking

SLOW_MS = 5_000
LAST_MS = 15_000


@dataclass(frozen=True)
class Waiting:
    """A job that waits."""

    lane: int
    priority: int
    due_in_ms: int


@dataclass(frozen=True)
class Scenario:
    """Lanes 0 and 1 wait for one thing, lane 2 for another; each has calls free from certain times on."""

    jobs: list[Waiting]
    free_in_ms: dict[int, list[int]]
    workers: int
    deciding_ms: int
    """How long a worker takes to find out whether there is capacity."""

    def source_of(self, lane: int) -> int:
        return lane // 2


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    waiting = st.builds(Waiting, st.integers(0, 2), st.sampled_from([0, 6]), st.integers(0, 3_000))
    jobs = draw(st.lists(waiting, min_size=1, max_size=40))
    times = st.one_of(st.integers(0, LAST_MS), st.integers(0, 3).map(lambda window: 1_000 + 4_000 * window))
    free = {source: sorted(draw(st.lists(times, min_size=len(jobs), max_size=len(jobs)))) for source in (0, 1)}
    return Scenario(jobs, free, draw(st.integers(1, 3)), draw(st.sampled_from([0, 1, 10, 50])))


@dataclass
class Run:
    """One scenario, event by event."""

    scenario: Scenario
    parking: Parking
    due_ms: dict[str, int] = field(default_factory=dict)
    place: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Priority, number."""
    undecided: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    """By lane: job → when it was let go."""
    done: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.began_ms = self.parking.now_ms
        for number, job in enumerate(self.scenario.jobs):
            name = f"{job.lane}-{number:03}"
            self.parking.begin_and_park(name, due_in_ms=job.due_in_ms, lane=str(job.lane), priority=job.priority)
            self.due_ms[name] = self.began_ms + job.due_in_ms
            self.place[name] = (job.priority, number)

    def release(self, worker: int) -> int:
        """A worker asks; what it lets go is in order, and does not come on top of what has not found out yet."""
        before, now_ms = self.parking.parked(), self.parking.now_ms
        _, wait_ms = self.parking.release(worker=str(worker))
        left = self.parking.parked()
        for lane in range(3):
            out = {name for name in before - left if name.startswith(f"{lane}-")}
            assert all(self.due_ms[name] <= now_ms for name in out)
            assert not out or all(now_ms - since_ms >= 2_000 for since_ms in self.undecided[lane].values())
            due = {name for name in left if name.startswith(f"{lane}-") and self.due_ms[name] <= now_ms}
            assert not (out and due) or max(map(self.place.__getitem__, out)) < min(map(self.place.__getitem__, due))
            self.undecided[lane] |= dict.fromkeys(out, now_ms)
        return now_ms + wait_ms

    def decide(self) -> bool:
        """A worker takes the next job and finds out whether there is capacity; whether there was a job."""
        taken = self.parking.take(limit=1)
        for name in taken:
            lane = int(name[0])
            free_in_ms = self.scenario.free_in_ms[self.scenario.source_of(lane)]
            self.undecided[lane].pop(name)
            if self.began_ms + free_in_ms[0] <= self.parking.now_ms:
                del free_in_ms[0]
                self.parking.succeed(name)
                self.done.add(name)
            else:
                self.due_ms[name] = self.began_ms + free_in_ms[0]
                self.parking.park(name, self.due_ms[name] - self.parking.now_ms, lane=str(lane))
        return bool(taken)

    def go_on(self, until_ms: int) -> None:
        asks_ms = [self.parking.now_ms] * self.scenario.workers
        decides_ms = self.parking.now_ms
        while self.parking.now_ms < until_ms and len(self.done) < len(self.scenario.jobs):
            for worker, ask_ms in enumerate(asks_ms):
                if ask_ms <= self.parking.now_ms:
                    asks_ms[worker] = self.release(worker)
            while decides_ms <= self.parking.now_ms and self.decide():
                decides_ms = max(decides_ms, self.parking.now_ms) + self.scenario.deciding_ms
            busy = any(self.undecided.values())
            self.parking.now_ms = min([*asks_ms, *([decides_ms] if busy and decides_ms > self.parking.now_ms else [])])


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scenario=scenarios())
def test_every_job_has_its_turn(redis_client: redis.Redis, scenario: Scenario) -> None:
    redis_client.flushall()
    run = Run(scenario, Parking(redis_client))
    run.go_on(run.began_ms + LAST_MS + SLOW_MS)
    assert run.parking.parked() == set()
    assert len(run.done) == len(scenario.jobs)
