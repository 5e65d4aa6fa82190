"""A configuration that is read again meets a pool that runs: what it may change, and what belongs to the pool."""

from __future__ import annotations

from dataclasses import replace

from pool_client import Tier
from pool_worker.registry import Key, Model, Period, Provider, Registry, Unit, Window, WindowKind
from pool_worker.rollout.taking_over import REMOVED, take_over

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
