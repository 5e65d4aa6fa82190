"""How many requests and tokens that is: plain facts in, sums out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from pool_client import HealthStatus
from pool_worker.limits.holds import key_scope, model_scope, provider_scope
from pool_worker.overview.capacity import Amount, Capacity, LoweredLimit, ProviderCapacity, capacities
from pool_worker.overview.facts import Hold, KeyUse, ModelWindowUse
from pool_worker.overview.standing import standings
from pool_worker.registry import Model, Period, Provider, Registry, Unit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
NO_LIMIT = Amount(unlimited=True)
RESETS = {
    Period.MINUTE: NOON + timedelta(minutes=1),
    Period.HOUR: NOON + timedelta(hours=1),
    Period.DAY: MIDNIGHT,
    Period.MONTH: NOON + timedelta(days=10),
}


def window(
    used: int,
    limit: int,
    unit: Unit = Unit.REQUESTS,
    per: Period = Period.MINUTE,
    *,
    model: str = "small",
    configured: int | None = None,
) -> ModelWindowUse:
    return ModelWindowUse(
        model=model, unit=unit, per=per, used=used, limit=limit, configured=configured or limit, resets_at=RESETS[per]
    )


def key(number: int, *windows: ModelWindowUse, provider: str = "groq", group: str = "") -> KeyUse:
    key_id = f"{provider}#{number}"
    return KeyUse(
        key_id=key_id, provider=provider, priority=1, quota_group=group or key_id, calls_in_flight=0, windows=tuple(windows)
    )


def registry(*models: str, shared: bool = False, **more: Model) -> Registry:
    """Groq with these models; and Mistral with one."""
    providers = [
        Provider(id="groq", base_url="", limits_shared=shared),
        Provider(id="mistral", base_url=""),
        Provider(id="off", base_url="", enabled=False, disabled_reason="not wanted"),
    ]
    found = {name: Model(id=name, provider="groq", name=name) for name in models or ("small",)}
    return Registry({it.id: it for it in providers}, {**found, "m": Model(id="m", provider="mistral", name="small"), **more})


def of_groq(*keys: KeyUse, configured: Registry | None = None, holds: Mapping[str, Hold] | None = None) -> ProviderCapacity:
    return capacities(standings(configured or registry(), keys, holds or {}))[0]


def held(scope: str, reason: str = "ProviderFailedError: 500", *, s: int = 60) -> dict[str, Hold]:
    return {scope: Hold("", "", NOON + timedelta(seconds=s), reason)}


def test_keys_add_up() -> None:
    found = of_groq(key(1, window(3, 30)), key(2, window(30, 30)))
    assert found.requests.per_minute == Amount(60)
    assert found.requests.usable_now == Amount(27)
    assert (found.keys, found.keys_usable, found.quota_groups) == (2, 1, 2)
    assert found.more_at == RESETS[Period.MINUTE], "when the spent one is back"
    assert found.status is HealthStatus.HEALTHY


def test_keys_of_one_quota_group_are_counted_once() -> None:
    found = of_groq(key(1, window(3, 30), group="account"), key(2, window(3, 30), group="account"), key(3, window(0, 30)))
    assert (found.requests.per_minute, found.requests.usable_now) == (Amount(60), Amount(57))
    assert (found.keys, found.quota_groups) == (3, 2)


def test_a_group_can_do_what_its_best_key_can() -> None:
    holds = held(key_scope("groq#1"))
    found = of_groq(key(1, window(3, 30), group="account"), key(2, window(3, 30), group="account"), holds=holds)
    assert (found.requests.usable_now, found.keys_usable) == (Amount(27), 1)


def test_models_with_windows_of_their_own_add_up_and_those_that_share_them_do_not() -> None:
    own = of_groq(key(1, window(0, 30), window(0, 10, model="large")), configured=registry("small", "large"))
    assert own.requests.per_minute == Amount(40)
    shared = of_groq(key(1, window(0, 30, model="*")), configured=registry("small", "large", shared=True))
    assert shared.requests.per_minute == Amount(30)


def test_windows_of_models_that_are_not_in_use_do_not_count() -> None:
    inactive = Model(id="old", provider="groq", name="old", is_active=False)
    found = of_groq(key(1, window(0, 30), window(0, 30, model="old")), configured=registry(old=inactive))
    assert found.requests.per_minute == Amount(30)


def test_the_tightest_window_limits() -> None:
    day = window(15, 20, per=Period.DAY)
    found = of_groq(key(1, window(0, 30), window(3, 300, per=Period.HOUR), day))
    assert found.requests == Capacity(per_minute=Amount(20), usable_now=Amount(5), per_day=Amount(20), left_today=Amount(5)), (
        "a minute cannot take more than the day has"
    )


@pytest.mark.parametrize(
    ("windows", "per_day"),
    [
        ([window(0, 2)], Amount(2880)),
        ([window(0, 2), window(0, 10, per=Period.HOUR)], Amount(240)),
        ([window(0, 2), window(0, 70, per=Period.MONTH)], Amount(70)),
        ([window(0, 2, per=Period.HOUR), window(0, 70, per=Period.DAY)], Amount(48)),
        ([window(0, 2), window(0, 9, Unit.TOKENS, Period.DAY)], NO_LIMIT),
        ([], NO_LIMIT),
    ],
)
def test_a_day_has_as_many_minutes_as_nothing_else_limits_it(windows: list[ModelWindowUse], per_day: Amount) -> None:
    assert of_groq(key(1, *windows)).requests.per_day == per_day


def test_without_a_window_of_days_there_is_no_limit_today() -> None:
    assert of_groq(key(1, window(30, 30))).requests.left_today == NO_LIMIT


def test_nothing_is_left_today_when_any_window_of_the_day_is_spent() -> None:
    found = of_groq(key(1, window(0, 30), window(2, 100, per=Period.DAY), window(500, 500, Unit.TOKENS, Period.DAY)))
    assert (found.requests.usable_now, found.requests.left_today, found.tokens.left_today) == (Amount(), Amount(), Amount())
    assert (found.status, found.until, found.more_at) == (HealthStatus.LIMITED, MIDNIGHT, MIDNIGHT)
    assert found.requests.per_minute == Amount(30), "once it is back"


def test_input_and_output_tokens_are_tokens() -> None:
    halves = of_groq(key(1, window(10, 100, Unit.INPUT_TOKENS), window(5, 50, Unit.OUTPUT_TOKENS)))
    assert (halves.tokens.per_minute, halves.tokens.usable_now) == (Amount(150), Amount(135))
    both = of_groq(key(1, window(0, 100, Unit.INPUT_TOKENS), window(0, 60, Unit.TOKENS)))
    assert both.tokens.per_minute == Amount(60)
    assert both.requests.per_minute == NO_LIMIT


def test_other_units_are_named() -> None:
    assert of_groq(key(1, window(0, 9, Unit.UNITS, Period.DAY))).also_limited == ("units/day",)


@pytest.mark.parametrize("scope", [provider_scope("groq"), model_scope("groq", "small"), key_scope("groq#1")])
def test_who_is_held_counts_nothing(scope: str) -> None:
    found = of_groq(key(1, window(0, 30)), holds=held(scope))
    assert (found.requests, found.tokens) == (Capacity(), Capacity())
    assert (found.status, found.reason) == (HealthStatus.HELD, "ProviderFailedError: 500")
    assert found.until == found.more_at == NOON + timedelta(seconds=60)


def test_a_refusal_for_a_spent_quota_is_no_failure() -> None:
    found = of_groq(key(1, window(0, 30)), holds=held(key_scope("groq#1"), "WindowSpentError: 429"))
    assert (found.status, found.requests.per_minute, found.requests.usable_now) == (HealthStatus.LIMITED, Amount(30), Amount())


def test_a_held_model_leaves_the_others_of_shared_windows() -> None:
    configured = registry("small", "large", shared=True)
    one = of_groq(key(1, window(0, 30, model="*")), configured=configured, holds=held(model_scope("groq", "small")))
    assert (one.status, one.requests.usable_now) == (HealthStatus.HEALTHY, Amount(30))
    both = {**held(model_scope("groq", "small")), **held(model_scope("groq", "large"), s=20)}
    none = of_groq(key(1, window(0, 30, model="*")), configured=configured, holds=both)
    assert (none.status, none.until) == (HealthStatus.HELD, NOON + timedelta(seconds=20))


def test_a_limit_of_nothing_never_comes_back() -> None:
    found = of_groq(key(1, window(0, 0, per=Period.DAY)))
    assert (found.status, found.reason, found.until, found.more_at) == (
        HealthStatus.LIMITED,
        "it has no requests per day",
        None,
        None,
    )


def test_limits_that_were_learned_to_be_lower_are_told_once_with_their_keys() -> None:
    lower = window(0, 20, configured=30)
    found = of_groq(key(1, lower), key(2, lower), key(3, window(0, 30)))
    expected = LoweredLimit(
        model="small", unit=Unit.REQUESTS, per=Period.MINUTE, limit=20, configured=30, keys=("groq#1", "groq#2")
    )
    assert found.lowered == (expected,)
    assert found.requests.per_minute == Amount(70)


def test_the_total_is_last_and_says_who_is_first() -> None:
    keys = [key(1, window(30, 30)), key(1, window(2, 60), provider="mistral")]
    *each, total = capacities(standings(registry(), keys, {}))
    assert [(it.provider, it.status) for it in each] == [
        ("groq", HealthStatus.LIMITED),
        ("mistral", HealthStatus.HEALTHY),
        ("off", HealthStatus.DISABLED),
    ]
    assert (total.provider, total.status, total.reason) == ("*", HealthStatus.HEALTHY, None)
    assert (total.keys, total.keys_usable, total.quota_groups) == (2, 1, 2)
    assert (total.requests.per_minute, total.requests.usable_now) == (Amount(90), Amount(58))
    assert total.requests.left_today == NO_LIMIT

    both = [key(1, window(0, 30)), key(1, window(60, 60), provider="mistral")]
    *_, waiting = capacities(standings(registry(), both, held("provider:groq", s=20)))
    assert (waiting.status, waiting.until) == (HealthStatus.HELD, NOON + timedelta(seconds=20))
    never = [key(1, window(0, 0)), key(1, window(0, 0), provider="mistral")]
    assert capacities(standings(registry(), never, {}))[-1].reason == "it has no requests per minute"
    *_, nothing = capacities(standings(registry(), [], {}))
    assert (nothing.status, nothing.reason) == (HealthStatus.DISABLED, "no provider is in use")


def test_whoever_has_no_limit_adds_more_than_is_counted() -> None:
    keys = [key(1, window(0, 30)), key(1, provider="mistral")]
    *_, total = capacities(standings(registry(), keys, {}))
    assert total.requests.per_minute == Amount(30, unlimited=True)
