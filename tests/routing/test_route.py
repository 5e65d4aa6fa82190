"""Routing with plain values: who fits, who does not and why, and in which order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_client.job import Job, Message, Priority, Tier
from pool_worker.registry import Budget, Failover, Key, Model, Price, Provider, Registry
from pool_worker.routing.route import Route, route

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CHEAP, DEAR = Price(Decimal("0.05"), Decimal("0.4")), Price(Decimal("2.5"), Decimal(15))
PROVIDERS = [
    Provider(id="cerebras", base_url="http://c", priority=95),
    Provider(id="groq", base_url="http://g", priority=85),
    Provider(id="gemini", base_url="http://m", priority=40, aliases=("google",)),
    Provider(id="openai", base_url="http://o", tier=Tier.PAID, priority=60),
    Provider(id="ollama", base_url="http://l", tier=Tier.LOCAL, needs_key=False),
]
MODELS = [
    Model(
        id="c-oss",
        provider="cerebras",
        name="oss",
        priority=95,
        capabilities=frozenset({"analysis", "coding"}),
        context_window=8192,
    ),
    Model(id="g-oss", provider="groq", name="oss", priority=85, capabilities=frozenset({"analysis", "tools"})),
    Model(id="g-small", provider="groq", name="small", priority=60, capabilities=frozenset({"fast"})),
    Model(id="flash", provider="gemini", name="flash", priority=40, capabilities=frozenset({"analysis", "vision"})),
    Model(id="nano", provider="openai", name="nano", tier=Tier.PAID, priority=58, price=CHEAP, capabilities=frozenset({"tools"})),
    Model(id="mini", provider="openai", name="mini", tier=Tier.PAID, priority=60, price=DEAR),
    Model(
        id="big",
        provider="openai",
        name="big",
        tier=Tier.PREMIUM,
        price=DEAR,
        capabilities=frozenset({"deep_analysis", "vision"}),
    ),
    Model(id="home", provider="ollama", name="home", tier=Tier.LOCAL, capabilities=frozenset({"analysis"})),
]


def registry(models: Iterable[Model] = MODELS, **changes: Any) -> Registry:
    facts = Registry(
        providers={each.id: each for each in PROVIDERS},
        models={each.id: each for each in models},
        keys=tuple(Key(id=f"{each.id}#1", provider=each.id) for each in PROVIDERS if each.needs_key),
        task_capabilities={
            "analysis": frozenset({"analysis"}),
            "deep": frozenset({"deep_analysis"}),
            "odd": frozenset({"levitation"}),
        },
    )
    return replace(facts, **changes)


REGISTRY = registry()


def changed(model_id: str, **changes: Any) -> Registry:
    return registry(replace(each, **changes) if each.id == model_id else each for each in MODELS)


SMALL = changed("g-oss", context_window=4000)


def job(**fields: Any) -> Job:
    return Job(messages=[Message(role="user", content="Why?")], **fields)


def routed(asked: Job, facts: Registry = REGISTRY, *, tokens: int = 100, **arguments: Any) -> Route:
    return route(asked, facts, estimated_tokens=tokens, now=NOW, **arguments)


def names(way: Route) -> list[list[str]]:
    return [[choice.model.id for choice in group] for group in way.tiers]


def test_the_jobs_own_tier_comes_first_then_the_next_ones() -> None:
    assert names(routed(job())) == [["c-oss", "g-oss", "g-small", "flash"], ["mini", "nano"], ["big"]]


def test_from_the_middle_a_job_goes_up_before_it_goes_down() -> None:
    assert names(routed(job(tier="paid"))) == [["mini", "nano"], ["big"], ["c-oss", "g-oss", "g-small", "flash"]]
    assert [group[0] for group in names(routed(job(tier="premium")))] == ["big", "mini", "c-oss"]


def test_the_failover_strategy_says_how_far_a_job_may_go() -> None:
    way = routed(job(), registry(failover=Failover(tiers=(Tier.FREE,))))
    assert names(way) == [["c-oss", "g-oss", "g-small", "flash"]]
    assert way.rejected["big"] == "its tier is premium, which a job of tier free does not use"


def test_low_takes_what_is_free_then_what_is_cheapest() -> None:
    assert names(routed(job(priority="low", tier="paid"))) == [["c-oss", "g-oss", "g-small", "flash"], ["nano", "mini", "big"]]


def test_critical_takes_the_best_whatever_it_costs_in_one_group() -> None:
    assert names(routed(job(priority="critical"))) == [["big", "mini", "nano", "c-oss", "g-oss", "g-small", "flash"]]


def test_local_is_entered_only_when_asked_for_and_then_not_left() -> None:
    assert names(routed(job(tier="local"))) == [["home"]]
    free = routed(job())
    assert "home" not in [choice.model.id for choice in free.choices]
    assert [choice.model.id for choice in free.fallback] == ["home"]


def test_the_named_fallback_comes_before_local_models() -> None:
    way = routed(job(), registry(failover=Failover(fallback_model="g-small")))
    assert [choice.model.id for choice in way.fallback] == ["g-small", "home"]


def test_cheaper_first_when_the_budget_runs_low_and_no_paid_model_when_it_is_spent() -> None:
    assert names(routed(job(), spent_fraction=Decimal("0.79")))[1] == ["mini", "nano"]
    assert names(routed(job(), spent_fraction=Decimal("0.8")))[1] == ["nano", "mini"]
    spent = routed(job(), spent_fraction=Decimal(1))
    assert names(spent) == [["c-oss", "g-oss", "g-small", "flash"]]
    assert spent.rejected["mini"] == "the day's budget is spent: paid models are paused"
    going_on = routed(job(), registry(budget=Budget(auto_pause=False)), spent_fraction=Decimal(2))
    assert len(going_on.tiers) == 3


def test_a_choice_knows_what_the_job_would_take_there() -> None:
    nano = next(choice for choice in routed(job(max_tokens=1000), tokens=2000).choices if choice.model.id == "nano")
    assert nano.estimated_usage.total_tokens == 3000
    assert nano.estimated_cost_usd == Decimal("0.0005")
    assert nano.score == pytest.approx(0.875, abs=0.01), "nobody has called it yet, and it costs next to nothing"


def test_a_pinned_model_is_the_only_candidate_whatever_its_tier() -> None:
    way = routed(job(model="big", task_type="analysis"))
    assert names(way) == [["big"]]
    assert way.rejected["g-oss"] == "the job is pinned to big"
    unknown = routed(job(model="gpt-99"))
    assert unknown.tiers == ()
    assert unknown.rejected["gpt-99"] == "no such model is configured"


@pytest.mark.parametrize(
    ("facts", "asked", "arguments", "reason"),
    [
        (changed("g-oss", is_active=False), job(), {}, "it is not active"),
        (changed("g-oss", metadata={"withdrawn_on": date(2026, 8, 16)}), job(), {}, "it was withdrawn on 2026-08-16"),
        (changed("g-oss", metadata={"withdrawn_on": "2026-11-21"}), job(), {}, "it was withdrawn on 2026-11-21"),
        (registry(keys=()), job(), {}, "provider groq has no key"),
        (registry(keys=(Key(id="groq#1", provider="groq", is_active=False),)), job(), {}, "provider groq has no key"),
        (REGISTRY, job(excluded_providers={"groq"}), {}, "the job excludes provider groq"),
        (REGISTRY, job(), {"excluded_providers": frozenset({"groq"})}, "provider groq is left out for now"),
        (REGISTRY, job(), {"excluded_models": frozenset({"g-oss"})}, "it has already failed for this job"),
        (REGISTRY, job(required_capabilities={"coding", "tools"}), {}, "it lacks coding"),
        (SMALL, job(max_tokens=1000), {"tokens": 3001}, "the job takes about 4,001 tokens, its context holds 4,000"),
        (changed("g-oss", price=DEAR), job(max_cost_usd="0.001"), {}, "it would cost about 0.007930 USD, the job may cost 0.001"),
        (changed("g-oss", price_known=False), job(max_cost_usd=1), {}, "its price is not known, and the job may cost 1 USD"),
    ],
)
def test_why_a_model_does_not_fit(facts: Registry, asked: Job, arguments: dict[str, Any], reason: str) -> None:
    way = routed(asked, facts, **arguments)
    assert way.rejected["g-oss"] == reason
    assert "g-oss" not in [choice.model.id for choice in way.choices]


def test_a_provider_that_is_disabled_or_speaks_something_else() -> None:
    changes = {"groq": {"enabled": False, "disabled_reason": "retired"}, "gemini": {"protocol": "telex"}}
    providers = {each.id: replace(each, **changes.get(each.id, {})) for each in PROVIDERS}
    way = routed(job(), registry(providers=providers))
    assert way.rejected["g-oss"] == "provider groq is disabled: retired"
    assert way.rejected["flash"] == "provider gemini speaks telex, which is not supported"


def test_an_excluded_provider_may_go_by_its_other_name() -> None:
    assert routed(job(excluded_providers={"google"})).rejected["flash"] == "the job excludes provider gemini"


def test_a_withdrawal_ahead_or_unreadable_changes_nothing() -> None:
    for day in ("2026-11-22", "soon", 7):
        assert "g-oss" not in routed(job(), changed("g-oss", metadata={"withdrawn_on": day})).rejected


def test_a_context_that_just_fits() -> None:
    assert "g-oss" not in routed(job(max_tokens=1000), SMALL, tokens=3000).rejected


def test_task_types_prefer_and_do_not_insist() -> None:
    way = routed(job(task_type="analysis"))
    assert names(way) == [["c-oss", "g-oss", "flash"]]
    assert way.rejected["g-small"] == "it lacks what tasks of type analysis prefer"
    odd = routed(job(task_type="odd"))
    assert names(odd) == names(routed(job()))
    assert odd.notes == ("no model that fits has levitation, which tasks of type odd prefer: any may be tried",)
    assert names(routed(job(task_type="deep"))) == [["big"]]
    assert names(routed(job(task_type="deep", max_cost_usd=0)))[0][0] == "c-oss"


def test_required_capabilities_are_insisted_on() -> None:
    way = routed(job(required_capabilities={"levitation"}))
    assert way.tiers == ()
    assert set(way.rejected) == {each.id for each in MODELS}


def test_a_provider_to_exclude_that_is_none_is_told() -> None:
    assert routed(job(excluded_providers={"google", "groq"})).notes == (), "gemini's other name is one of its names"
    way = routed(job(excluded_providers={"gorq", "groq"}))
    assert way.notes == ("no provider is called gorq, so that excluding it changes nothing",)


def test_pictures_go_to_models_that_see() -> None:
    picture = Message(role="user", content=[{"type": "image_url", "image_url": {"url": "data:,"}}])
    assert names(routed(Job(messages=[picture]))) == [["flash"], ["big"]]


def test_tools_are_insisted_on_where_models_declare_them_by_whatever_word() -> None:
    tools = [{"type": "function", "function": {"name": "look"}}]
    assert names(routed(job(tools=tools))) == [["g-oss"], ["nano"]]
    assert names(routed(job(required_capabilities={"function_calling"}))) == [["g-oss"], ["nano"]]
    silent = registry(replace(each, capabilities=frozenset()) for each in MODELS)
    way = routed(job(tools=tools), silent)
    assert len(way.choices) == 7
    assert way.notes == ("no model says whether it can do tools: any may be tried",)


def test_a_json_schema_is_a_wish_until_a_model_declares_it() -> None:
    asked = job(response_format={"type": "json_schema", "json_schema": {}})
    assert len(routed(asked).choices) == 7
    assert names(routed(asked, changed("g-oss", capabilities=frozenset({"structured_output"})))) == [["g-oss"]]
    assert len(routed(job(response_format={"type": "json_object"})).choices) == 7


capabilities = st.frozensets(st.sampled_from(["analysis", "tools", "vision", "json"]), max_size=3)
models = st.builds(
    Model,
    id=st.uuids().map(str),
    provider=st.sampled_from([each.id for each in PROVIDERS]),
    name=st.just("m"),
    tier=st.sampled_from(Tier),
    priority=st.integers(0, 3),
    capabilities=capabilities,
    price=st.sampled_from([Price(), CHEAP, DEAR]),
    price_known=st.booleans(),
    context_window=st.none() | st.integers(0, 4000),
    is_active=st.booleans(),
)
jobs = st.builds(
    job,
    priority=st.sampled_from(Priority),
    tier=st.sampled_from(Tier),
    task_type=st.none() | st.sampled_from(["analysis", "odd"]),
    required_capabilities=capabilities,
    max_cost_usd=st.none() | st.just(Decimal("0.001")),
    tools=st.none() | st.just([{}]),
)


@given(
    several=st.lists(models, max_size=8, unique_by=lambda model: model.id),
    asked=jobs,
    tokens=st.integers(0, 5000),
    spent=st.decimals(0, 2, places=2),
    shuffler=st.randoms(use_true_random=False),
)
def test_every_model_is_routed_or_rejected_with_a_reason_and_the_order_is_the_models_own(
    several: list[Model], asked: Job, tokens: int, spent: Decimal, shuffler: Any
) -> None:
    way = routed(asked, registry(several), tokens=tokens, spent_fraction=spent)
    chosen = [choice.model.id for choice in way.choices]
    assert len(chosen) == len(set(chosen))
    assert all(way.tiers)
    in_reserve = {choice.model.id for choice in way.fallback}
    assert {*chosen, *in_reserve} | set(way.rejected) == {model.id for model in several}
    assert not {*chosen, *in_reserve} & set(way.rejected)
    assert all(way.rejected.values())
    shuffler.shuffle(several)
    assert routed(asked, registry(several), tokens=tokens, spent_fraction=spent) == way
    assert asked.priority is not Priority.CRITICAL or len(way.tiers) <= 1
    assert all(registry(several).models[each].is_active for each in chosen)
