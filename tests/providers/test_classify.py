"""Each recorded refusal gets the class, the deadline and the observed windows that its recording expects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_worker import errors
from pool_worker.observed import Observed
from pool_worker.providers.classify import MAX_HOLD, classify
from pool_worker.providers.refusal import Refusal
from pool_worker.providers.refusal_table import TABLE

PROVIDERS = (
    "groq",
    "cerebras",
    "gemini",
    "openrouter",
    "mistral",
    "cohere",
    "cloudflare",
    "huggingface",
    "openai",
    "anthropic",
    "x",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=12,
)
error_bodies = st.dictionaries(
    st.sampled_from(
        ["error", "errors", "message", "code", "type", "status", "details", "metadata", "detail", "headers", "retryDelay"]
    ),
    json_values
    | st.dictionaries(st.sampled_from(["message", "code", "details", "metadata", "quotaId"]), json_values, max_size=4),
    max_size=4,
)


def refusal_of(recording: dict[str, Any]) -> Refusal:
    return Refusal(
        provider_id=recording["provider"], status=recording["status"], headers=recording["headers"], body=recording["body"]
    )


def test_a_recorded_refusal_means_what_it_says(recording: dict[str, Any], now: datetime) -> None:
    expected = recording["expected"]
    error = classify(refusal_of(recording), now=now)
    assert type(error).__name__ == expected["class"]
    assert error.status_code == recording["status"]
    wait_s = None if error.retry_at is None else (error.retry_at - now).total_seconds()
    assert wait_s == pytest.approx(expected["retry_after_s"])
    if "observed" in expected:
        seen = [[o.unit, o.per, o.limit, o.remaining] for o in error.observed if isinstance(o, Observed)]
        assert seen == expected["observed"]


def test_every_row_has_a_recording_that_it_decides(recordings: list[dict[str, Any]]) -> None:
    decided = {next(i for i, row in enumerate(TABLE) if row.fits(refusal_of(each))) for each in recordings}
    unproven = [row for i, row in enumerate(TABLE) if i not in decided]
    assert not unproven


@pytest.mark.parametrize("provider", [each for each in PROVIDERS if each != "cohere"])  # which has no window of a day
@pytest.mark.parametrize("words", ["requests per day", "tokens-per-day limit", "Daily limit", "(TPD)", "free-models-per-day"])
@pytest.mark.parametrize("wait", ["1", "0", "59", "Sat, 21 Nov 2026 12:00:05 GMT"])
def test_a_spent_day_does_not_come_back_in_a_minute(provider: str, words: str, wait: str, now: datetime) -> None:
    body = {"error": {"message": f"Limit reached: {words}. Please try again in {wait}s", "details": [{"retryDelay": f"{wait}s"}]}}
    error = classify(Refusal(provider_id=provider, status=429, headers={"retry-after": wait}, body=body), now=now)
    assert isinstance(error, errors.WindowSpentError)
    assert error.retry_at is not None
    assert error.retry_at - now > timedelta(seconds=60)


def test_a_day_in_los_angeles_ends_at_its_midnight_through_the_change_of_the_clocks() -> None:
    body = {"error": {"code": 429, "message": "", "details": [{"violations": [{"quotaId": "RequestsPerDay"}]}]}}
    refusal = Refusal(provider_id="gemini", status=429, body=body)
    summer = classify(refusal, now=datetime(2026, 10, 31, 20, tzinfo=UTC))
    autumn = classify(refusal, now=datetime(2026, 11, 1, 20, tzinfo=UTC))
    assert summer.retry_at == datetime(2026, 11, 1, 7, tzinfo=UTC)
    assert autumn.retry_at == datetime(2026, 11, 2, 8, tzinfo=UTC)


def test_a_key_in_the_words_of_a_provider_is_masked(now: datetime) -> None:
    secret = "Zq81-very-own-secret-of-ours"  # noqa: S105 - invented
    body = {"error": {"message": f"no access with {secret}, nor {secret[:14]}..., nor sk-live-abcdefgh12345678\nbye"}}
    error = classify(Refusal(provider_id="x", status=401, body=body), now=now, secret=secret)
    assert error.reason == "x answered 401: no access with [key], nor [key] nor [key] bye"


@given(
    provider=st.sampled_from(PROVIDERS),
    status=st.sampled_from([200, 302, 400, 402, 403, 404, 408, 413, 422, 429, 498, 500, 503, 529]) | st.integers(100, 999),
    headers=st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset"]), st.text(max_size=20)),
    body=error_bodies | json_values,
)
def test_any_refusal_gets_a_class_and_a_deadline_ahead(
    provider: str, status: int, headers: dict[str, str], body: object, now: datetime
) -> None:
    error = classify(Refusal(provider_id=provider, status=status, headers=headers, body=body), now=now)
    assert isinstance(error, errors.AttemptError)
    assert error.reason
    assert error.retry_at is None or now < error.retry_at <= now + MAX_HOLD
