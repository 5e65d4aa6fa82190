"""The life of messages against a model of it (`model.py`): workers that die or stall between any two steps, steps that come late
or twice, callers that cancel. After every step Redis holds exactly what the model says; at the end everything comes to rest.

Wrong scripts that this test was shown, and caught: every fence left out; a message not taken out where it was, not recorded, not
put back, put to the wrong end or encoded anew; deliveries, hops and leases counted wrongly; bells that do not ring, or too often;
what has ended changed again; rows, outcomes and news left out or told twice; redis keys without a TTL.

`FAULTS=full` tries thousands of lives instead of some dozens, new ones each time; `FAULTS_SEED=n` repeats them.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from model import FINAL, LEASE_MS, LOST, PRIORITIES, QUEUES, Model, lists_of
from on_valkey import Valkey
from side_by_side import Known, SideBySide

from pool_client.job import JobState, Priority
from pool_worker.broker.jobs import For, Until

IS_FULL = os.environ.get("FAULTS") == "full"
SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1_000_000))
WITHIN_S = 4 * 3_600 if IS_FULL else 600
"""A life that breaks a rule is made short before it is shown, and that takes time."""
EVERY_DAY = settings(
    max_examples=25, stateful_step_count=50, deadline=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)
FULL = settings(EVERY_DAY, max_examples=2_000, stateful_step_count=60, derandomize=False, database=None, print_blob=True)

IDEMPOTENCY_KEY = "the same"
NOW_MS = Model.now_ms
WAITS = [For(0), For(1_000), For(LEASE_MS), Until(NOW_MS), Until(NOW_MS + LEASE_MS), Until(NOW_MS + 5 * LEASE_MS)]
ENDS = [state for state in JobState if state.is_final]

submissions = st.tuples(st.sampled_from(QUEUES), st.sampled_from(PRIORITIES), st.sampled_from([None, None, IDEMPOTENCY_KEY]))
DETAILS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "move": st.fixed_dictionaries({"queue": st.sampled_from(QUEUES), "first": st.booleans()}),
    "park": st.fixed_dictionaries({"wait": st.sampled_from(WAITS)}),
    "finish": st.fixed_dictionaries({"state": st.sampled_from(ENDS)}),
}
CLAIMED = [*["open"] * 8, "give_back", "finish", "bury"]
GOES_ON = ["move", "move", *["park"] * 4, "finish", "finish", "give_back", "open", "bury"]
HAS_ENDED = ["acknowledge", "acknowledge", "finish", "give_back", "open", "bury"]
EVENTS = {
    "a_job_is_submitted": 3,
    "a_submission_is_repeated": 1,
    "a_job_is_cancelled": 1,
    "a_worker_claims": 8,
    "a_worker_goes_on": 4,
    "a_step_is_repeated": 2,
    "a_worker_keeps_its_claims": 2,
    "a_worker_waits": 1,
    "a_worker_dies": 1,
    "time_passes": 1,
    "time_passes_while_others_sweep": 2,
    "parked_jobs_come_back": 2,
    "a_person_sees_to_a_dead_letter": 1,
}
"""What happens → how often."""
ANY_STEP = ["open", "move", "park", "finish", "give_back", "acknowledge", "bury"]


@dataclass
class Worker:
    """A process that is alive, or only stalled: what it does is late when its leases have ended."""

    name: str
    lists: list[str]
    is_awake: bool = True
    """Whether it will claim before it waits at the bells."""
    holds: dict[Known, str] = field(default_factory=dict)
    """The claims that it believes to have → the job's state when it was opened; "" before."""


class Life(RuleBasedStateMachine):
    """See the module's docstring. One rule only: of several, hypothesis leaves most out of most lives."""

    valkey: Valkey

    def __init__(self) -> None:
        super().__init__()
        self.both = SideBySide(self.valkey, idempotency_keys=[IDEMPOTENCY_KEY])
        self.workers = [self.new_worker(queues) for queues in (QUEUES, QUEUES[:1], QUEUES[1:])]
        self.let_go: list[Known] = []
        """Claims that their workers have answered for, the latest last."""
        self.submitted: list[tuple[str, str, Priority, str | None]] = []
        self.unheard: set[str] = set()
        """Lists whose bell a worker heard that died of it: who is idle finds them when it next looks round."""
        self.is_sound = True
        """Whether there is a sense in going on."""

    @initialize(some=st.lists(submissions, min_size=3, max_size=6))
    def jobs_wait(self, some: list[tuple[str, Priority, str | None]]) -> None:
        for submission in some:
            self._submit(*submission)

    @rule(data=st.data(), what=st.sampled_from([name for name, often in EVENTS.items() for _ in range(often)]))
    def happens(self, data: st.DataObject, what: str) -> None:
        getattr(self, what)(data)

    # --- callers ---------------------------------------------------------------------------------------------------------

    def a_job_is_submitted(self, data: st.DataObject) -> None:
        self._submit(*data.draw(submissions))

    def a_submission_is_repeated(self, data: st.DataObject) -> None:
        self.both.submit(*data.draw(st.sampled_from(self.submitted)))

    def a_job_is_cancelled(self, data: st.DataObject) -> None:
        jobs = self.both.model.jobs
        running = [job_id for job_id, job in jobs.items() if job.state == "running"]
        self.both.cancel(data.draw(st.sampled_from(running or list(jobs)) | st.sampled_from(list(jobs))))

    def _submit(self, *how: Any) -> None:
        self.submitted.append((f"job{self.both.number():04}", *how))
        self.both.submit(*self.submitted[-1])

    def a_person_sees_to_a_dead_letter(self, data: st.DataObject) -> None:
        if dead := sorted(self.both.model.dead):
            data.draw(st.sampled_from([self.both.revive, self.both.revive, self.both.drop]))(data.draw(st.sampled_from(dead)))

    # --- workers -----------------------------------------------------------------------------------------------------------

    def a_worker_claims(self, data: st.DataObject) -> None:
        """And gets more or less far with each job. Or the answer is lost on its way, and nobody knows of the claims."""
        worker = data.draw(st.sampled_from(self.workers))
        has_suspect = any(known.is_suspect for known in worker.holds)
        limit = data.draw(st.integers(1, 4))
        worker.is_awake, claims = self.both.claim(worker.name, worker.lists, limit, has_suspect=has_suspect)
        if data.draw(st.sampled_from([False] * 7 + [True])):
            return
        worker.holds |= dict.fromkeys(claims, "")
        for known in claims:
            for _ in range(data.draw(st.sampled_from([0, 1, 2, 2, 2, 3]))):
                if known in worker.holds:
                    self._work(worker, known, data)

    def a_worker_goes_on(self, data: st.DataObject) -> None:
        """It may have lost the claim."""
        holders = [(worker, known) for worker in self.workers for known in worker.holds]
        if holders:
            self._work(*data.draw(st.sampled_from(holders)), data)

    def a_step_is_repeated(self, data: st.DataObject) -> None:
        """Its answer was lost; or another comes after it. The claim is gone: nothing happens."""
        if self.let_go:
            known = data.draw(st.sampled_from(self.let_go[-5:]))
            assert self._do(data.draw(st.sampled_from(ANY_STEP)), known, data) in {LOST, False}

    def a_worker_keeps_its_claims(self, data: st.DataObject) -> None:
        self.both.renew(list(data.draw(st.sampled_from(self.workers)).holds))
        self.both.sweep()

    def a_worker_waits(self, data: st.DataObject) -> None:
        """At the bells, until it hears one or looks round."""
        worker = data.draw(st.sampled_from(self.workers))
        self.both.hear(worker.lists)
        worker.is_awake = True

    def a_worker_dies(self, data: st.DataObject) -> None:
        """Whatever it was to do next never happens; another starts in its place."""
        number = data.draw(st.integers(0, len(self.workers) - 1))
        dead = self.workers[number]
        self.unheard.update(dead.lists if dead.is_awake else ())
        self.workers[number] = Worker(f"worker{self.both.number()}", dead.lists)

    def new_worker(self, queues: tuple[str, ...]) -> Worker:
        return Worker(f"worker{self.both.number()}", lists_of(*queues))

    def _work(self, worker: Worker, known: Known, data: st.DataObject) -> None:
        """The next step of a job, which its caller may have cancelled meanwhile."""
        if data.draw(st.sampled_from([False] * 7 + [True])):
            self.both.cancel(known.job_id)
        state = worker.holds[known]
        step = data.draw(st.sampled_from(CLAIMED if state == "" else HAS_ENDED if state in FINAL else GOES_ON))
        answer = self._do(step, known, data)
        if step == "open" and answer != LOST:
            worker.holds[known] = str(answer)
        else:
            del worker.holds[known]
            self.let_go.append(known)

    def _do(self, step: str, known: Known, data: st.DataObject) -> str | bool:
        answer: str | bool = getattr(self.both, step)(known, **data.draw(DETAILS.get(step, st.just({}))))
        return answer

    # --- time ------------------------------------------------------------------------------------------------------------

    def time_passes(self, data: st.DataObject) -> None:
        self.both.time_passes(data.draw(st.sampled_from([1, 1_000, LEASE_MS // 2, LEASE_MS - 1, LEASE_MS])))

    def time_passes_while_others_sweep(self, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(1, 4))):
            self.both.time_passes(LEASE_MS // 3)
            self.both.sweep()

    def parked_jobs_come_back(self, data: st.DataObject) -> None:  # noqa: ARG002 - as every event
        self.both.release_due()

    # --- what must be true -------------------------------------------------------------------------------------------------

    @invariant()
    def redis_holds_what_the_model_says(self) -> None:
        self.is_sound = False
        facts = self.both.compare()
        waiting, rings = self.both.model.waiting(), facts["bells"].keys()
        self.unheard &= waiting - rings
        awake = {name for worker in self.workers if worker.is_awake for name in worker.lists}
        assert waiting <= rings | awake | self.unheard, "who is idle will be woken"
        self.is_sound = True

    def teardown(self) -> None:
        if self.is_sound:
            self.come_to_rest()
            self.both.all_is_done()
        self.both.close()

    def come_to_rest(self) -> None:
        """All workers are dead but a new one."""
        last = self.new_worker(QUEUES)
        for _ in range(100):
            is_at_rest = not self.both.model.held()
            self.both.time_passes(LEASE_MS // 3)
            self.both.sweep()
            self.both.release_due()
            if is_at_rest:
                return
            for known in self.both.claim(last.name, last.lists, 16, has_suspect=False)[1]:
                if self.both.open(known) in FINAL:
                    self.both.acknowledge(known)
                else:
                    self.both.finish(known, state=JobState.SUCCEEDED)
        pytest.fail(f"it does not come to rest: {self.both.model.held()}")


@pytest.fixture
def valkey(redis_url: str) -> Iterator[Valkey]:
    with asyncio.Runner() as runner:
        valkey = Valkey(redis_url, runner.get_loop())
        yield valkey
        valkey.close()


@pytest.mark.timeout(WITHIN_S)
def test_whatever_happens_every_job_ends_once_and_no_message_is_lost(valkey: Valkey) -> None:
    machine = type("ALife", (Life,), {"valkey": valkey})
    if IS_FULL:
        machine = hypothesis.seed(SEED)(machine)
        print(f"repeat it with FAULTS_SEED={SEED}")  # noqa: T201 - for the report, as in tests/faults
    run_state_machine_as_test(machine, settings=FULL if IS_FULL else EVERY_DAY)
