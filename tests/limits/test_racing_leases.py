"""The limits under several processes that act at the same moment, against a model that takes any order of what they did."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import hypothesis
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from racing_model import DURATIONS, FATES, GUARD_MS, LIMITS, SIZES, TELLINGS, Setup
from racing_pool import Action, RacingPool
from racing_processes import Racers
from small_pool import Limits

from pool_worker.embedded_redis import EmbeddedRedis
from pool_worker.registry import Charges

IS_FULL = os.environ.get("FAULTS") == "full"
SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1_000_000))
PROCESSES = 4
WITHIN_S = 3_600
"""A life that breaks a rule is made short before it is shown, and that takes time."""
EVERY_DAY = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
FULL = settings(EVERY_DAY, max_examples=1_000, stateful_step_count=60, derandomize=False, database=None, print_blob=True)

KINDS = ("sliding", "refill", "fixed")
WAITS = {
    0: 8,
    "until somebody is free": 8,
    "until a call ends": 4,
    "until a lease lapses": 1,
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
    150_000: 1,
}
ACTIONS = {
    "take": 12,
    "take_twice": 2,
    "take_and_regret": 1,
    "take_again": 1,
    "end": 6,
    "end_twice": 2,
    "end_what_has_ended": 1,
    "sweep_up": 2,
    "leave_alone": 1,
    "others_use_it": 2,
}


def weighted(often: dict[str, int] | dict[int | str, int]) -> list[int | str]:
    return [what for what, times in often.items() for _ in range(times)]


setups = st.builds(
    Setup,
    kinds=st.tuples(*(st.sampled_from(KINDS) for _ in LIMITS)),
    charges=st.sampled_from(Charges),
    charged_at_arrival=st.booleans(),
    sizes=st.sampled_from(SIZES),
    durations=st.sampled_from(DURATIONS),
    fates=st.sampled_from(list(FATES)),
    tellings=st.sampled_from(list(TELLINGS)),
)
actions = st.builds(Action, what=st.sampled_from(weighted(ACTIONS)), pick=st.integers(0, 2**16))


class Racing(RuleBasedStateMachine):
    """See the module's docstring. What is drawn depends on nothing that a race decides, so that a life can be repeated."""

    limits: Limits
    racers: Racers
    pool: RacingPool

    @initialize(setup=setups)
    def begins(self, setup: Setup) -> None:
        self.pool = RacingPool(self.limits, self.racers, setup)

    @rule(wait=st.sampled_from(weighted(WAITS)), together=st.lists(actions, min_size=1, max_size=8))
    def happens(self, wait: int | str, together: list[Action]) -> None:
        self.pool.happen(wait, together)

    def teardown(self) -> None:
        if hasattr(self, "pool"):
            self.pool.come_to_rest()


@pytest.fixture
def racers(redis_server: EmbeddedRedis) -> Iterator[Racers]:
    processes = Racers(redis_server.url, PROCESSES)
    yield processes
    processes.close()


@pytest.mark.timeout(WITHIN_S)
def test_whoever_comes_first_no_limit_is_broken_and_nothing_leaks(limits: Limits, racers: Racers) -> None:
    machine = type("ALife", (Racing,), {"limits": limits, "racers": racers})
    if IS_FULL:
        machine = hypothesis.seed(SEED)(machine)
        print(f"repeat it with FAULTS_SEED={SEED}")  # noqa: T201 - for the report, as in tests/faults
    run_state_machine_as_test(machine, settings=FULL if IS_FULL else EVERY_DAY)
