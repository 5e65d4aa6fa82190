"""Which model a job gets by what is known of all of them, and what its result says of that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from small_worker import FREE_MODELS, MODELS, SmallWorker

from pool_client import ModelUnavailableError
from pool_client.job import Result, Selection
from pool_worker import redis_keys
from pool_worker.completion.selection import MOST_ALTERNATIVES
from pool_worker.limits.holds import hold, provider_scope
from pool_worker.limits.performance import ENOUGH_CALLS
from pool_worker.registry import Period, Unit, Window, WindowKind
from pool_worker.routing.strategy import OF_THE_HOUSE

GROQ, CEREBRAS, MISTRAL = FREE_MODELS
ONE_S = timedelta(seconds=1)


def answered(worker: SmallWorker, prompt: str = "Why did this fail?", **options: object) -> Result:
    job = worker.submit(prompt, **options)
    worker.complete()
    return job.result(timeout=5)


def selected(worker: SmallWorker, prompt: str = "Why did this fail?", **options: object) -> Selection:
    selection = answered(worker, prompt, **options).selection
    assert selection is not None
    return selection


def others(selection: Selection) -> dict[str, str]:
    return {it.model_id: it.reason for it in selection.alternatives}


def hold_provider(worker: SmallWorker, provider: str) -> None:
    worker.run(hold(worker.pool.redis, provider_scope(provider), reason="ill", ttl_ms=60_000))


def without_capacity(worker: SmallWorker, provider: str) -> None:
    """Its window has no room for a call."""
    spent = Window(Unit.REQUESTS, 0, Period.MINUTE, WindowKind.SLIDING)
    rows = worker.pool.registry.providers
    worker.configure(providers=rows | {provider: replace(rows[provider], limits=(spent,))})


# --- what the result says


def test_the_first_says_so_and_who_came_later(worker: SmallWorker) -> None:
    selection = selected(worker)
    assert selection.reason == "first of 4 that fit, by priority (tier free)"
    assert others(selection) == {
        CEREBRAS: "its provider's priority is lower",
        MISTRAL: "its provider's priority is lower",
        "openai-small": "its tier comes later",
    }
    assert selection.score == pytest.approx(0.875), "all but that nobody knows yet how well it answers"
    assert [it.score for it in selection.alternatives] == [0.875, 0.875, 0.625]


def test_who_had_no_capacity_is_named(worker: SmallWorker) -> None:
    without_capacity(worker, "groq")
    selection = selected(worker)
    assert selection.reason == f"first that could be called of 4 that fit, by priority (tier free); {GROQ} had no capacity then"
    assert others(selection)[GROQ] == "it had no capacity then"


def test_who_is_left_alone_after_failures_has_capacity_all_the_same(worker: SmallWorker) -> None:
    without_capacity(worker, "groq")
    hold_provider(worker, "cerebras")
    until = datetime.fromtimestamp(worker.redis_now_s() + worker.held()["provider:cerebras"], UTC)
    selection = selected(worker)
    assert selection.reason == (
        "first that could be called of 4 that fit, by priority (tier free); "
        f"{GROQ} had no capacity then; left alone after failures: {CEREBRAS}"
    )
    words = others(selection)
    assert list(words) == [GROQ, CEREBRAS, "openai-small"], "in the order in which they were passed over"
    assert words[CEREBRAS] in {f"it is left alone after failures until {at:%H:%M:%S} UTC" for at in (until, until - ONE_S)}


def test_who_recovers_from_failures_takes_only_some_calls(worker: SmallWorker) -> None:
    worker.redis.set(redis_keys.health(provider_scope("groq")), "10 0 1")
    selection = selected(worker)
    assert selection.reason.endswith(f"; left alone after failures: {GROQ}")
    assert others(selection)[GROQ] == "it recovers from failures, and takes few calls as yet"


def test_so_is_a_whole_tier_that_is_left_alone(worker: SmallWorker) -> None:
    more = [replace(MODELS[0], id=f"groq-{number}", name=f"n{number}") for number in range(3)]
    worker.configure(models={it.id: it for it in (*MODELS, *more)})
    for provider in ("groq", "cerebras", "mistral"):
        hold_provider(worker, provider)
    selection = selected(worker, deadline_s=30)
    assert selection.reason.startswith("first that could be called of 7 that fit, by priority (tier paid); ")
    assert "; left alone after failures: " in selection.reason
    assert selection.reason.endswith(" and 3 more")
    assert len(selection.alternatives) == MOST_ALTERNATIVES


def test_who_had_failed_comes_first_among_the_others(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "status", status=500, count=1)
    selection = selected(worker)
    assert selection.reason == f"first of 3 that fit, by priority (tier free); {GROQ} had failed"
    (first, *_) = selection.alternatives
    assert (first.model_id, first.score, first.reason) == (GROQ, None, "it failed: ProviderFailedError")


def test_who_failed_for_want_of_quota_is_not_named_twice(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "status", status=429, retry_after_s=30, count=2)
    selection = selected(worker)
    assert selection.reason == f"first of 4 that fit, by priority (tier free); {GROQ} had failed"
    assert others(selection)[GROQ] == "it failed: WindowSpentError"


def test_what_was_asked_for_in_vain_is_told(worker: SmallWorker) -> None:
    selection = selected(worker, excluded_providers=["gorq"])
    assert selection.reason.endswith("(tier free); no provider is called gorq, so that excluding it changes nothing")


def test_the_only_one_that_fits(worker: SmallWorker) -> None:
    selection = selected(worker, model=MISTRAL)
    assert (selection.reason, selection.alternatives) == ("the only one that fits (tier free)", [])


def test_a_fallback_says_what_it_is(worker: SmallWorker) -> None:
    home = replace(worker.pool.registry.providers["ollama"], enabled=True)
    worker.configure(providers=worker.pool.registry.providers | {"ollama": home})
    worker.pool.served_queues |= {"local.ollama"}
    for provider in ("groq", "cerebras", "mistral", "openai"):
        hold_provider(worker, provider)
    result = answered(worker, on_exhausted="degrade")
    assert result.degraded
    assert result.selection is not None
    assert result.selection.reason == "a fallback: of 4 that fit none could be called then"
    assert set(others(result.selection).values()) == {"it could not be called then"}


def test_neither_a_cached_answer_nor_guidance_was_selected(worker: SmallWorker) -> None:
    assert answered(worker, temperature=0).selection is not None
    again = answered(worker, temperature=0)
    assert (again.cached, again.selection) == (True, None)
    for provider in ("groq", "cerebras", "mistral", "openai"):
        hold_provider(worker, provider)
    guidance = answered(worker, on_exhausted="degrade")
    assert (guidance.degraded, guidance.selection) == (True, None)


def test_it_is_small(worker: SmallWorker) -> None:
    """It is kept for a day with every job."""
    assert len(selected(worker).model_dump_json()) < 450


# --- what is known of the models decides


@pytest.fixture
def equals(worker: SmallWorker) -> SmallWorker:
    """Two free models that nothing but their names tells apart, of which the first is tried first."""
    rows = {it: replace(worker.pool.registry.providers[it], priority=50) for it in ("groq", "cerebras")}
    models = {it.id: replace(it, limits=()) for it in MODELS[:2]}
    worker.configure(providers=rows, models=dict(reversed(models.items())))
    return worker


def look_around(worker: SmallWorker) -> None:
    worker.look_around()


def learn(worker: SmallWorker) -> None:
    """Enough calls of who comes first, whose failures nobody minds but for the figures of its performance."""
    for number in range(ENOUGH_CALLS):
        answered(worker, f"What does report {number} say?")
        worker.heals()
    look_around(worker)


@pytest.mark.parametrize("strategy", ["priority", "suitability"])
def test_a_model_that_fails_loses_to_its_equal(equals: SmallWorker, strategy: str) -> None:
    """By priority too, for nothing else tells them apart."""
    assert selected(equals).alternatives[0].model_id == GROQ
    models = equals.pool.registry.models
    equals.configure(models=models | {CEREBRAS: replace(models[CEREBRAS], priority=99)})
    equals.simulator.fault("cerebras", "status", status=500, count=ENOUGH_CALLS)
    learn(equals)
    assert equals.pool.outlook.performance.success_rate(CEREBRAS) == pytest.approx(1 / (ENOUGH_CALLS + 1))
    equals.configure(models=models)
    equals.pool.strategy = OF_THE_HOUSE[strategy]
    result = answered(equals)
    assert (result.model_id, [it.outcome for it in result.attempts]) == (GROQ, ["ok"])
    assert result.selection is not None
    assert (result.selection.score or 0) > (result.selection.alternatives[0].score or 0)


@pytest.fixture
def slow(equals: SmallWorker) -> SmallWorker:
    """Cerebras has taken half a second for each of its calls, groq a fiftieth."""
    equals.has_taken_ms(CEREBRAS, 500)
    equals.has_taken_ms(GROQ, 20)
    assert (equals.pool.outlook.performance.median_ms(CEREBRAS) or 0) > 400
    return equals


def test_a_slow_model_loses_to_its_equal_under_suitability_also_where_its_priority_is_higher(slow: SmallWorker) -> None:
    models = slow.pool.registry.models
    slow.configure(models=models | {CEREBRAS: replace(models[CEREBRAS], priority=99)})
    assert answered(slow).model_id == CEREBRAS
    slow.pool.strategy = OF_THE_HOUSE["suitability"]
    result = answered(slow)
    assert result.model_id == GROQ
    assert result.selection is not None
    assert result.selection.reason == "first of 2 that fit, by suitability (tier free)"


def test_who_asks_for_speed_gets_no_model_that_is_known_to_be_slow(slow: SmallWorker) -> None:
    models = slow.pool.registry.models
    slow.configure(models=models | {CEREBRAS: replace(models[CEREBRAS], priority=99)})
    bound = int(slow.pool.outlook.performance.models[CEREBRAS].median_ms or 0) - 1
    assert answered(slow, max_latency_ms=bound).model_id == GROQ
    job = slow.submit(max_latency_ms=bound, model=CEREBRAS)
    slow.complete()
    with pytest.raises(
        ModelUnavailableError, match=rf"{CEREBRAS}, to which .*its calls took \d+ ms of late \(median\), .* {bound} at most"
    ):
        job.result(timeout=5)


def test_a_call_that_the_caller_spoilt_is_no_evidence(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "status", status=429, retry_after_s=30, count=1)
    assert answered(worker).model_id == GROQ, "with its second key"
    worker.look_around()
    (entry,) = worker.redis.hvals(redis_keys.PERFORMANCE)
    assert entry[8:10] == "\1\0", "one call, no failure"


def test_a_provider_that_cannot_even_be_reached_is_evidence(worker: SmallWorker) -> None:
    away = replace(worker.pool.registry.providers["groq"], base_url="http://127.0.0.1:1")
    worker.configure(providers=worker.pool.registry.providers | {"groq": away})
    assert answered(worker).model_id == CEREBRAS
    assert worker.redis.hget(redis_keys.PERFORMANCE, GROQ)[8:10] == "\1\1", "one call, one failure"


def test_a_held_provider_is_known_to_be_away(worker: SmallWorker) -> None:
    hold_provider(worker, "groq")
    look_around(worker)
    assert worker.pool.outlook.availability == {"groq": 0.0}
    worker.time_passes()
    look_around(worker)
    assert worker.pool.outlook.availability == {}
