"""A configuration that is read again meets a pool that runs: what it may change, and what belongs to the pool."""

from __future__ import annotations

from dataclasses import replace

from pool_client import Tier
from pool_worker.registry import Budget, Failover, Key, Model, Period, Provider, Registry, Unit, Window, WindowKind
from pool_worker.rollout.taking_over import REMOVED, take_over, what_changed

GROQ = Provider(id="groq", base_url="https://groq.example")
COHERE = Provider(id="cohere", base_url="https://cohere.example")
SMALL = Model(id="small", provider="groq", name="small")
RUNNING = Registry(
    {"groq": GROQ, "cohere": COHERE},
    {"small": SMALL},
    keys=(Key("groq#1", "groq"), Key("cohere#1", "cohere")),
    disabled={"x": "y"},
)
SERVED = {"free", "free.groq"}
LIMITS = (Window(Unit.REQUESTS, 7, Period.MINUTE, WindowKind.SLIDING),)


def test_limits_and_models_are_as_read_and_the_pools_own_stays() -> None:
    large = replace(SMALL, id="large")
    read = Registry({"groq": replace(GROQ, limits=LIMITS)}, {"large": large})
    taken = take_over(read, RUNNING, served=SERVED)
    assert taken.windows_of(large) == LIMITS
    assert (dict(taken.models), taken.keys, taken.disabled) == ({"large": large}, RUNNING.keys, RUNNING.disabled)


def test_a_provider_whose_queue_nobody_serves_stays_disabled_and_says_why() -> None:
    read = Registry({"groq": GROQ, "cohere": COHERE}, {"c": replace(SMALL, id="c", provider="cohere")})
    taken = take_over(read, RUNNING, served=SERVED)
    assert taken.unusable_models == {
        "c": "provider cohere is disabled: no worker that runs serves its queue free.cohere: start the workers again"
    }
    assert "free.cohere" not in taken.queues()
    assert take_over(read, RUNNING, served={*SERVED, "free.cohere"}).unusable_models == {}


def test_so_does_one_whose_tier_and_with_it_queue_changed() -> None:
    read = Registry({"groq": replace(GROQ, tier=Tier.PAID)}, {"small": SMALL})
    assert "its queue paid.groq" in take_over(read, RUNNING, served=SERVED).unusable_models["small"]


def test_why_the_configuration_disables_one_is_left_as_it_is() -> None:
    read = Registry({"cohere": replace(COHERE, enabled=False, disabled_reason="bankrupt")}, {})
    assert take_over(read, RUNNING, served=SERVED).providers["cohere"].disabled_reason == "bankrupt"


def test_a_provider_that_was_removed_can_still_be_asked_for_but_not_called() -> None:
    taken = take_over(Registry({"groq": GROQ}, {"small": SMALL}), RUNNING, served=SERVED)
    assert (taken.providers["cohere"].enabled, taken.providers["cohere"].disabled_reason) == (False, REMOVED)
    assert take_over(RUNNING, taken, served={*SERVED, "free.cohere"}).providers["cohere"].enabled


def test_what_changed_is_told_in_the_words_of_the_files() -> None:
    large = replace(SMALL, id="large")
    read = Registry({"groq": replace(GROQ, limits=LIMITS)}, {"large": large}, budget=Budget(auto_pause=False))
    taken = take_over(read, RUNNING, served=SERVED)
    told = "new: model large; gone: provider cohere, model small; changed: provider groq, cost_management"
    assert what_changed(RUNNING, taken) == told
    assert what_changed(taken, take_over(read, taken, served=SERVED)) == "nothing has changed"
    after = replace(RUNNING, failover=Failover(max_attempts=7), task_capabilities={"a": frozenset()})
    assert what_changed(RUNNING, after) == "changed: failover_strategy, pool.yaml"


def test_when_much_changed_some_is_named() -> None:
    many = {f"m{number}": replace(SMALL, id=f"m{number}") for number in range(7)}
    assert what_changed(RUNNING, replace(RUNNING, models=RUNNING.models | many)) == (
        "new: model m0, model m1, model m2, model m3, model m4 and 2 more"
    )
