"""Fault 23: a job may be cancelled at any moment. It ends once, nobody calls for it after that, and its caller is told once."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import pytest
from cancelling_model import WEATHER, Cancelling, one_of
from hypothesis import HealthCheck, settings
from hypothesis import seed as start_at
from hypothesis.stateful import run_state_machine_as_test
from runs import IS_FULL, Seed, sized, tell
from small_worker import SmallWorker

RUNS = settings(
    max_examples=sized(15, 500), stateful_step_count=sized(12, 30), deadline=None, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.timeout(1800)
def test_a_job_cancelled_at_any_moment_ends_once(worker: SmallWorker, seed: Seed) -> None:
    cancels: Counter[str] = Counter()
    at = worker

    @start_at(seed.number)
    class OnThisWorker(Cancelling):
        worker = at
        happened = cancels

    run_state_machine_as_test(OnThisWorker, settings=RUNS)
    tell(f"fault 23: {RUNS.max_examples} runs of up to {RUNS.stateful_step_count} steps; cancels: {dict(cancels)}; {seed}")


@pytest.mark.parametrize("weather", WEATHER if IS_FULL else ["well", "failing", "spent"])
@pytest.mark.parametrize("everything", [True, False], ids=["all queues", "some queues"])
def test_a_cancel_at_each_look_at_the_clock(worker: SmallWorker, weather: str, everything: bool) -> None:  # noqa: FBT001
    """Not at random: one job for each moment at which its worker looks at the clock, until it has left the worker before."""

    class OnThisWorker(Cancelling):
        happened: ClassVar[Counter[str]] = Counter()

    OnThisWorker.worker = worker
    look, states = 0, []
    while not states or states[-1] is not None:
        look += 1
        life = OnThisWorker()
        life.cancel_now(one_of(life.jobs, 0))
        (job_id,) = {job_id for job_id, tracked in life.jobs.items() if not tracked.asked}
        while (delivery := worker.claim()).task_id != job_id:
            worker.complete(delivery)
        life.serve(everything=everything)
        life.set_weather(weather)
        life.cancel_at_look(delivery, look)
        states.append(worker.record(life.jobs[job_id].handle)["state"] if life.jobs[job_id].asked else None)
        life.a_job_ends_once_and_its_caller_is_told_once()
        life.teardown()
    tell(f"fault 23, {weather}: cancelled at {look - 1} looks, then {Counter(states)}")
    assert look > 3
