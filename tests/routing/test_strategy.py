"""Who has the last word on the order, and what the score decides without it. Plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_client.job import Job, Message, Tier
from pool_worker.limits.performance import ModelPerformance, Performance
from pool_worker.registry import Model, Price, Provider, Registry
from pool_worker.routing.choice import Choice
from pool_worker.routing.route import Route, route
from pool_worker.routing.strategy import OF_THE_HOUSE, Situation, Strategy

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SUITABILITY = OF_THE_HOUSE["suitability"]
PRICE = Price(usd_per_request=Decimal("0.01"))
MODELS = [Model(id=name, provider="p", name=name) for name in ("a", "b", "c")]
PAID = [Model(id=name, provider="p", name=name, tier=Tier.PAID, price=PRICE) for name in ("x", "y")]
SLOW_A = Performance({"a": ModelPerformance(1, 900.0), "b": ModelPerformance(1, 300.0), "c": ModelPerformance(1, 600.0)})


def registry(*models: Model) -> Registry:
    return Registry({"p": Provider(id="p", base_url="http://p", needs_key=False)}, {it.id: it for it in models})


def job(**fields: Any) -> Job:
    return Job(messages=[Message(role="user", content="Why?")], **fields)


def routed(asked: Job | None = None, facts: Registry | None = None, **arguments: Any) -> Route:
    facts = facts or registry(*MODELS, *PAID)
    return route(asked or job(), facts, estimated_tokens=100, now=NOW, **arguments)


def names(way: Route) -> list[str]:
    return ["".join(choice.model.id for choice in group) for group in way.tiers]


def test_equals_by_priority_are_ordered_by_score_and_then_by_id() -> None:
    assert names(routed()) == ["abc", "xy"]
    assert names(routed(performance=SLOW_A)) == ["bca", "xy"]
    better = registry(replace(MODELS[0], priority=51), *MODELS[1:])
    assert names(routed(facts=better, performance=SLOW_A)) == ["abc"], "priority comes first"


def test_suitability_goes_before_priority_but_not_into_another_group() -> None:
    better = registry(replace(MODELS[0], priority=99), *MODELS[1:], *PAID)
    way = routed(facts=better, performance=SLOW_A, strategy=SUITABILITY)
    assert (names(way), way.order) == (["bca", "xy"], "by suitability")
    assert [choice.score for choice in way.tiers[0]] == sorted((c.score for c in way.tiers[0]), reverse=True)


def test_a_held_provider_is_tried_last_under_suitability() -> None:
    facts = registry(replace(MODELS[0], priority=99), *MODELS[1:])
    ill = replace(facts, providers=facts.providers | {"q": Provider(id="q", base_url="http://q", needs_key=False)})
    ill = replace(ill, models=ill.models | {"a": replace(ill.models["a"], provider="q")})
    assert names(routed(facts=ill, strategy=SUITABILITY)) == ["abc"]
    assert names(routed(facts=ill, strategy=SUITABILITY, availability={"q": 0.0})) == ["bca"]


def test_the_order_says_in_words_what_it_is() -> None:
    assert routed().order == "by priority"
    assert routed(spent_fraction=Decimal("0.9")).order == "by cost, for the day's money runs low"
    assert routed(job(priority="low")).order == "those that cost nothing first, then the cheapest"
    assert routed(job(priority="critical")).order == "the best tier first, whatever it costs"


def test_a_model_that_is_known_to_be_too_slow_is_left_out() -> None:
    way = routed(job(max_latency_ms=600), performance=SLOW_A)
    assert names(way) == ["bc", "xy"], "of x and y nothing is known"
    assert way.rejected["a"] == "its calls took 900 ms of late (median), the job asks for 600 at most"
    assert names(routed(job(), performance=SLOW_A)) == ["bca", "xy"]


def leaves_out(kept: str) -> Strategy:
    def order(choices: Sequence[Choice], _: Situation) -> Iterable[Choice]:
        return (choice for choice in choices if choice.model.id in kept)

    return Strategy("picky", order)


def test_whom_a_strategy_leaves_out_is_not_tried() -> None:
    way = routed(strategy=leaves_out("bx"))
    assert names(way) == ["b", "x"]
    assert way.rejected == dict.fromkeys("acy", "the strategy picky leaves it out")
    nobody = routed(strategy=leaves_out(""))
    assert nobody.tiers == ()


def test_a_strategy_is_told_the_situation() -> None:
    told: list[tuple[str, Situation]] = []

    def order(choices: Sequence[Choice], situation: Situation) -> Sequence[Choice]:
        told.append(("".join(choice.model.id for choice in choices), situation))
        return choices[::-1]

    asked = job()
    way = routed(asked, spent_fraction=Decimal("0.9"), strategy=Strategy("backwards", order))
    assert (names(way), way.order) == (["cba", "yx"], "by backwards")
    assert [(group, it.job, it.save_money) for group, it in told] == [("abc", asked, True), ("xy", asked, True)]


SEEN = st.dictionaries(st.sampled_from("abcxy"), st.builds(ModelPerformance, st.floats(0, 1), st.floats(1, 1e6)))


@given(SEEN, st.sampled_from(sorted(OF_THE_HOUSE)), st.permutations([*MODELS, *PAID]))
def test_every_order_of_the_house_is_total_and_always_the_same(
    seen: dict[str, ModelPerformance], strategy: str, models: list[Model]
) -> None:
    arguments = {"performance": Performance(seen), "strategy": OF_THE_HOUSE[strategy]}
    found = names(routed(facts=registry(*models), **arguments))
    assert [sorted(group) for group in found] == [["a", "b", "c"], ["x", "y"]]
    assert found == names(routed(facts=registry(*reversed(models)), **arguments))


@pytest.mark.parametrize("priority", ["low", "normal", "critical"])
def test_every_choice_has_a_score(priority: str) -> None:
    assert all(choice.score is not None for choice in routed(job(priority=priority), performance=SLOW_A).choices)


def later(way: Route) -> dict[str, str]:
    """Why each came after the first."""
    first, *others = way.choices
    return {choice.model.id: way.ranking.why_later(choice, than=first) for choice in others}


def priced(usd: str) -> Price:
    return Price(usd_per_request=Decimal(usd))


FIRST_A = replace(MODELS[0], priority=99)
BACKWARDS = Strategy("backwards", lambda choices, _: choices[::-1])
CHEAP, DEAR, OF_NO_KNOWN_PRICE = (
    Model(id="cheap", provider="p", name="1", tier=Tier.PAID, price=priced("0.01")),
    Model(id="dear", provider="p", name="2", tier=Tier.PAID, price=priced("0.02")),
    Model(id="unknown", provider="p", name="3", tier=Tier.PAID, price_known=False),
)


@pytest.mark.parametrize(
    ("models", "asked", "arguments", "words"),
    [
        ((MODELS[0], replace(MODELS[1], priority=1)), {}, {}, {"b": "its priority is lower"}),
        (MODELS[:2], {}, {}, {"b": "it is as good, and later by name"}),
        (MODELS[:2], {}, {"performance": SLOW_A}, {"a": "its score is lower"}),
        ((MODELS[0], CHEAP), {}, {}, {"cheap": "its tier comes later"}),
        (
            (CHEAP, DEAR, OF_NO_KNOWN_PRICE),
            {},
            {"spent_fraction": Decimal("0.9")},
            {"dear": "it would cost more", "unknown": "its price is not known"},
        ),
        ((MODELS[0], CHEAP), {"priority": "low"}, {}, {"cheap": "it costs money, or may"}),
        ((CHEAP, MODELS[0]), {"priority": "critical"}, {}, {"a": "its tier is not as good"}),
        ((FIRST_A, MODELS[1]), {}, {"performance": SLOW_A, "strategy": SUITABILITY}, {"a": "its score is lower"}),
        (MODELS[:2], {}, {"strategy": SUITABILITY}, {"b": "it is as good, and later by name"}),
        (MODELS[:2], {}, {"strategy": BACKWARDS}, {"a": "the strategy backwards put it later"}),
        ((MODELS[0], CHEAP), {}, {"strategy": BACKWARDS}, {"cheap": "its tier comes later"}),
    ],
)
def test_why_one_comes_later_is_what_puts_it_there(
    models: Sequence[Model], asked: dict[str, Any], arguments: dict[str, Any], words: dict[str, str]
) -> None:
    assert later(routed(job(**asked), registry(*models), **arguments)) == words


def test_who_is_taken_out_of_order_was_not_put_behind() -> None:
    way = routed()
    assert way.ranking.why_later(way.choices[0], than=way.choices[1]) == "it was not asked, for time had been lost already"


def test_the_providers_priority_counts_where_the_models_are_equal() -> None:
    facts = registry(MODELS[0], replace(MODELS[1], provider="q"))
    facts = replace(facts, providers=facts.providers | {"q": Provider(id="q", base_url="http://q", needs_key=False, priority=1)})
    assert later(routed(facts=facts)) == {"b": "its provider's priority is lower"}
