"""The limits under several processes that act at the same moment, against a model that takes any order of what they did.

After every step: no window of a provider that counts by itself (`account_books.py`) was ever above its limit; what is counted is
neither less than what the provider has charged and told, nor more than what can still be there; each lease ended once; no key
has too many calls in flight; nobody held is asked; holds only grew. At the end nothing is left, and all is to be had again.

Wrong scripts that this test was shown, and caught: requests or tokens reserved without a look at their window; a lease that ends
twice, early, or whose slot stays taken; an expiry that gives back what was reserved; a lease that is granted again, or after its
refund; sliding entries kept for the period without the guard, left a millisecond early, offered a millisecond early, or never
given back; a call within the guard of a period's end counted in one period only; a refill charged as of now; a refund of what
has drained; tokens of calls in flight not counted (each kind), never let go, or charged in one period only where they may be of
two; one call too many at once; a hold that can be made shorter, or of a quota group that is not looked at; accounts mixed up;
what was said ignored or lowering a count (each kind), counted twice, taken for the next period, or with what has drained since
or calls in flight taken for others'.

Not looked at: limits that a provider says are lower, budgets, daily limits of keys, models that share windows.
One of them, where requests are reserved without a look at their window (one call too many is to be had at the end)::

    state.happens(like=0, together=[Action(what='take', pick=0)], wait='until somebody is free')
    state.teardown()

`FAULTS=full` tries more and longer lives, new ones each time; `FAULTS_SEED=n` repeats them.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from functools import partial

import hypothesis
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from racing_model import DURATIONS, GUARD_MS, SIZES, Setup, jobs_of
from racing_pool import Action, RacingPool
from racing_processes import Racers
from small_pool import Limits

from pool_worker.embedded_redis import EmbeddedRedis
from pool_worker.registry import Charges

IS_FULL = os.environ.get("FAULTS") == "full"
SEED = int(os.environ.get("FAULTS_SEED") or (random.SystemRandom().randrange(1_000_000) if IS_FULL else 1))
PROCESSES = 4
WITHIN_S = 3_600
"""A life that breaks a rule is made short before it is shown, and that takes time."""
EVERY_DAY = settings(
    max_examples=2,
    stateful_step_count=30,
    deadline=None,
    derandomize=False,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
FULL = settings(EVERY_DAY, max_examples=30, stateful_step_count=60, phases=[Phase.generate, Phase.shrink], print_blob=True)

KINDS = ("sliding", "refill", "fixed")
WAITS = {
    "until somebody is free": 6,
    "until 1 ms before that": 1,
    0: 5,
    "until a call ends": 6,
    "until a lease lapses": 2,
    "until 1 ms before a lease lapses": 2,
    "1 ms before the minute ends": 1,
    "250 ms before the minute ends": 2,
    "499 ms before the minute ends": 1,
    1: 1,
    250: 2,
    GUARD_MS - 1: 1,
    GUARD_MS: 1,
    GUARD_MS + 1: 1,
    3_000: 1,
    14_500: 1,
    30_000: 1,
    59_499: 1,
    150_000: 3,
}
ACTIONS = {
    "take": 10,
    "take_twice": 2,
    "take_and_regret": 1,
    "take_again": 1,
    "end": 9,
    "end_twice": 3,
    "end_what_has_ended": 1,
    "sweep_up": 2,
    "leave_alone": 1,
    "others_use_it": 3,
}


def weighted(often: dict[str, int] | dict[int | str, int]) -> list[int | str]:
    return [what for what, times in often.items() for _ in range(times)]


actions = st.builds(Action, what=st.sampled_from(weighted(ACTIONS)), pick=st.integers(0, 2**16))


class Racing(RuleBasedStateMachine):
    """A life is drawn whole before it is lived: how a race comes out must not change what is drawn."""

    begin: Callable[[], RacingPool]

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[int | str, int, list[Action]]] = []

    @rule(
        wait=st.sampled_from(weighted(WAITS)),
        like=st.integers(0, len(SIZES) * len(DURATIONS) - 1),
        together=st.lists(actions, min_size=1, max_size=8),
    )
    def happens(self, wait: int | str, like: int, together: list[Action]) -> None:
        self.steps.append((wait, like, together))

    def teardown(self) -> None:
        pool, story = self.begin(), list[str]()
        jobs = [jobs_of(pool.setup.charges, *like) for like in itertools.product(SIZES, DURATIONS)]
        try:
            for wait, like, together in self.steps:
                story.append(f"{wait}, jobs {like}: {', '.join(f'{it.what} {it.pick}' for it in together)}")
                pool.happen(wait, jobs[like], together)
            pool.come_to_rest()
        except AssertionError as error:
            error.add_note("\n".join([str(pool.setup), *story]))  # a race may not come out the same way again
            raise


@pytest.fixture(scope="module")
def racers(redis_server: EmbeddedRedis) -> Iterator[Racers]:
    processes = Racers(redis_server.url, PROCESSES)
    yield processes
    processes.close()


@pytest.mark.timeout(WITHIN_S)
@pytest.mark.parametrize(
    ("charges", "charged_at_arrival"),
    [
        pytest.param(Charges.ACTUAL, False, id="tokens are charged at the end"),
        pytest.param(Charges.ACTUAL, True, id="tokens are charged at the arrival"),
        pytest.param(Charges.UPFRONT, True, id="the bound is charged at the arrival"),
    ],
)
@pytest.mark.parametrize("kinds", [KINDS, KINDS[1:] + KINDS[:1], KINDS[2:] + KINDS[:2]], ids="-".join)
def test_whoever_comes_first_no_limit_is_broken_and_nothing_leaks(
    limits: Limits, racers: Racers, kinds: tuple[str, ...], charges: Charges, *, charged_at_arrival: bool
) -> None:
    setup = Setup(kinds, charges, charged_at_arrival)
    machine = type("ALife", (Racing,), {"begin": staticmethod(partial(RacingPool, limits, racers, setup))})
    machine = hypothesis.seed(f"{SEED} {setup}")(machine)
    print(f"repeat it with FAULTS_SEED={SEED}")  # noqa: T201 - for the report, as in tests/faults
    run_state_machine_as_test(machine, settings=FULL if IS_FULL else EVERY_DAY)
