"""A model of jobs that are cancelled at any moment of their lives, beside the real scripts, a real worker and a real client."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from small_worker import SmallWorker

from pool_client import JobHandle, JobState
from pool_client import redis_keys as shared_keys
from pool_client.outcome import parse_outcome
from pool_worker import redis_keys
from pool_worker.broker.delivery import Delivery
from pool_worker.completion import complete
from pool_worker.ledger.rows import NOT_CALLS, AttemptRow, JobRow

WEATHER: dict[str, dict[str, Any] | None] = {
    "well": None,
    "failing": {"kind": "status", "status": 500},
    "down": {"kind": "down"},
    "spent": {"kind": "status", "status": 429, "retry_after_s": 30},
    "garbage": {"kind": "garbage"},
}
"""How every provider answers."""
HANG = "hang"
IN_A_CALL = 0
"""A moment; the others are looks at the clock."""


WHICH = st.integers(0, 11)
"""One of as many as there are. No draw and no rule depends on how things stand: calls and cancels race, as in life."""


def one_of(ids: Collection[str], which: int) -> str:
    return list(ids)[which % len(ids)]


@dataclass
class Tracked:
    """What must be true of one job."""

    handle: JobHandle
    asked: bool = False
    """A cancel was asked for."""
    confirmed_at: int | None = None
    """How many calls there had been in all when its cancel was confirmed."""
    ended_as: JobState | None = None


class Ears:
    """Hears every outcome that is told to callers."""

    def __init__(self, client: redis.Redis) -> None:
        self._listening = client.pubsub()
        self._listening.psubscribe(f"{shared_keys.result('')}*")
        self.told: list[str] = []

    def hear(self) -> list[str]:
        """Ids of the jobs that callers were told of, once for each time."""
        self._listening.ping()
        while (message := self._listening.get_message(timeout=5)) and message["type"] != "pong":
            if message["type"] == "pmessage":
                self.told.append(parse_outcome(message["data"]).job_id)
        return self.told

    def close(self) -> None:
        self._listening.close()


class Cancelling(RuleBasedStateMachine):
    """Every rule is something that happens to jobs; after each, whatever was said to a caller still holds."""

    worker: ClassVar[SmallWorker]
    happened: ClassVar[Counter[str]]
    """How often a job was cancelled in which state, and what its caller was told."""

    def __init__(self) -> None:
        super().__init__()
        self.worker.reset()
        self.jobs: dict[str, Tracked] = {}
        self.in_hand: list[Delivery] = []
        self.ears = Ears(self.worker.redis)
        for _ in range(2):
            self.submit_one()

    # --- callers

    @rule(on_exhausted=st.sampled_from(["park", "park", "degrade", "fail"]), priority=st.sampled_from(["high", "normal"]))
    def submit(self, on_exhausted: str, priority: str) -> None:
        self.submit_one(on_exhausted=on_exhausted, priority=priority)

    def submit_one(self, **options: Any) -> None:
        handle = self.worker.submit(max_tokens=20, **options)
        self.jobs[handle.id] = Tracked(handle)

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        self.cancel_now(one_of(self.jobs, which))

    def cancel_now(self, job_id: str) -> None:
        tracked = self.jobs[job_id]
        before = self.worker.record(tracked.handle)["state"]
        state = tracked.handle.cancel()
        self.happened[f"{before}→{state}"] += 1
        assert state in {JobState.CANCELLED, JobState.RUNNING, tracked.ended_as or state}
        tracked.asked = True
        if state is JobState.CANCELLED and tracked.confirmed_at is None:
            tracked.confirmed_at = self.worker.requests()

    # --- the worker, and the world around it

    @rule()
    def claim(self) -> None:
        if self.waiting():
            self.in_hand.append(self.worker.claim())

    @rule(
        which=WHICH,
        weather=st.sampled_from(sorted(WEATHER)),
        everything=st.booleans(),
        moment=st.none() | st.just(IN_A_CALL) | st.integers(1, 9),
    )
    def work(self, which: int, weather: str, everything: bool, moment: int | None) -> None:  # noqa: FBT001
        """Work on a job, and cancel it at some moment: the worker looks at its clock between any two of its steps."""
        if not self.in_hand:
            self.claim()
        delivery = self.taken(which)
        self.serve(everything=everything)
        self.set_weather(HANG if moment == IN_A_CALL else weather)
        if delivery is None:
            return
        if moment == IN_A_CALL:
            self.cancel_in_a_call(delivery)
        elif moment is None:
            self.work_on(delivery)
        else:
            self.cancel_at_look(delivery, moment)

    @rule(which=WHICH)
    def lose(self, which: int) -> None:
        """The worker stands still for longer than its lease; its message is in its queue again."""
        if delivery := self.taken(which):
            self.worker.lose_claim(delivery)
            calls = self.worker.requests()
            assert self.worker.complete(delivery) == "is another worker's now"
            assert self.worker.requests() == calls

    @rule(which=WHICH, holds_are_over=st.booleans())
    def wake(self, which: int, holds_are_over: bool) -> None:  # noqa: FBT001
        if parked := self.parked():
            self.worker.wake(self.jobs[one_of(parked, which)].handle)
        if holds_are_over:
            self.worker.time_passes()

    def set_weather(self, name: str) -> None:
        self.worker.simulator.clear_faults()
        if fault := WEATHER.get(name, {"kind": name}):
            for provider in self.worker.pool.registry.providers:
                self.worker.simulator.fault(provider, **fault)

    def serve(self, *, everything: bool) -> None:
        """All queues, or a few: then jobs move on to others."""
        queues = frozenset(self.worker.pool.registry.queues())
        self.worker.pool.served_queues = queues if everything else frozenset({"free", "free.groq"})

    def cancel_in_a_call(self, delivery: Delivery) -> None:
        async def scenario() -> None:
            working = asyncio.create_task(complete(delivery.task_id, delivery, self.worker.pool))
            while not working.done() and not await asyncio.to_thread(self.worker.in_flight):
                pass
            if not working.done():
                self.cancel_now(delivery.task_id)
            await working

        self.worker.run(scenario())

    def cancel_at_look(self, delivery: Delivery, look: int) -> None:
        looks, now = 0, self.worker.pool.now

        def cancelled_meanwhile() -> datetime:
            nonlocal looks
            looks += 1
            if looks == look:
                self.cancel_now(delivery.task_id)
            return now()

        self.worker.pool.now = cancelled_meanwhile
        try:
            self.work_on(delivery)
        finally:
            self.worker.pool.now = now

    def taken(self, which: int) -> Delivery | None:
        return self.in_hand.pop(which % len(self.in_hand)) if self.in_hand else None

    def work_on(self, delivery: Delivery) -> None:
        tracked, calls = self.jobs[delivery.task_id], self.worker.requests()
        was_asked, was_confirmed = tracked.asked, tracked.confirmed_at is not None
        self.worker.complete(delivery)
        if was_asked or was_confirmed:
            assert self.worker.requests() == calls, "a call after the cancel"
        if tracked.confirmed_at is not None:
            assert self.worker.requests() <= max(calls, tracked.confirmed_at), "a call after the cancel was confirmed"

    # --- what always holds

    def waiting(self) -> bool:
        names = (f"{queue}*" for queue in self.worker.pool.registry.queues())
        return any(self.worker.redis.type(name) == "list" for each in names for name in self.worker.redis.scan_iter(each))

    def parked(self) -> list[str]:
        parked = set(self.worker.redis.zrange(redis_keys.PARKED, 0, -1))
        return [job_id for job_id in self.jobs if job_id in parked]

    @invariant()
    def a_job_ends_once_and_its_caller_is_told_once(self) -> None:
        told = self.ears.hear()
        for job_id, tracked in self.jobs.items():
            state = JobState(self.worker.record(tracked.handle)["state"])
            if tracked.ended_as is not None:
                assert state is tracked.ended_as, "it ended otherwise before"
            if tracked.confirmed_at is not None:
                assert state is JobState.CANCELLED
            assert told.count(job_id) == state.is_final
            assert (self.worker.client.peek(job_id) is not None) == state.is_final
            tracked.ended_as = state if state.is_final else None

    def teardown(self) -> None:
        """Let all come to its end, and look into the books."""
        try:
            self.set_weather("well")
            self.worker.time_passes()
            self.serve(everything=True)
            while self.in_hand or self.parked() or self.waiting():
                for job_id in self.parked():
                    self.worker.wake(self.jobs[job_id].handle)
                while self.waiting():
                    self.in_hand.append(self.worker.claim())
                while self.in_hand:
                    self.work_on(self.in_hand.pop())
            self.a_job_ends_once_and_its_caller_is_told_once()
            self.look_into_the_books()
        finally:
            self.ears.close()

    def look_into_the_books(self) -> None:
        assert self.worker.nothing_is_held()
        ends = self.worker.rows(JobRow)
        assert {row.job_id: row.state for row in ends} == {job_id: tracked.ended_as for job_id, tracked in self.jobs.items()}
        rows = {row.attempt_id: row for row in self.worker.rows(AttemptRow)}  # one may be told twice, the ledger keeps one
        calls = [row for row in rows.values() if row.outcome not in NOT_CALLS]
        abandoned = sum(row.outcome == "AbandonedError" for row in calls)  # of these some may never have arrived
        assert len(calls) - abandoned <= self.worker.requests() <= len(calls)
        judge = self.worker.simulator.counts()["totals"]
        assert sum(row.outcome in {"ok", "BadAnswerError", "AbandonedError"} for row in calls) >= judge["charges"]
        assert sum(row.input_tokens + row.output_tokens for row in calls) >= judge["input_tokens"] + judge["output_tokens"]
