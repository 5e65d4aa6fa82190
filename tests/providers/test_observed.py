"""What headers tell about windows, provider by provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_worker.observed import Observed
from pool_worker.providers.observed import HEADER_ROWS, observed_in_headers
from pool_worker.registry import Period, Unit

NAMES = sorted({name for rows in HEADER_ROWS.values() for row in rows for name in (row.limit, row.remaining, row.reset) if name})


def test_groq_counts_requests_by_day_and_tokens_by_minute(now: datetime) -> None:
    headers = {
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": "998",
        "x-ratelimit-reset-requests": "2m59.56s",
        "x-ratelimit-limit-tokens": "8000",
        "x-ratelimit-remaining-tokens": "7409",
        "x-ratelimit-reset-tokens": "194ms",
    }
    assert observed_in_headers("groq", headers, now=now) == (
        Observed(Unit.REQUESTS, Period.DAY, 1000, 998, now + timedelta(minutes=2, seconds=59, milliseconds=560)),
        Observed(Unit.TOKENS, Period.MINUTE, 8000, 7409, now + timedelta(milliseconds=194)),
    )


def test_cerebras_counts_in_float_seconds(now: datetime) -> None:
    headers = {
        "x-ratelimit-limit-requests-day": "14400",
        "x-ratelimit-remaining-requests-day": "14382",
        "x-ratelimit-reset-requests-day": "33011.38",
        "x-ratelimit-limit-tokens-minute": "60000",
        "x-ratelimit-remaining-tokens-minute": "59680",
        "x-ratelimit-reset-tokens-minute": "11.38",
    }
    assert observed_in_headers("cerebras", headers, now=now) == (
        Observed(Unit.REQUESTS, Period.DAY, 14400, 14382, now + timedelta(seconds=33011.38)),
        Observed(Unit.TOKENS, Period.MINUTE, 60000, 59680, now + timedelta(seconds=11.38)),
    )


@pytest.mark.parametrize("provider", ["mistral", "codestral"])
def test_mistral_names_no_reset(provider: str, now: datetime) -> None:
    headers = {
        "x-ratelimit-limit-req-minute": "50",
        "x-ratelimit-remaining-req-minute": "49",
        "x-ratelimit-tokens-query-cost": "9",
    }
    assert observed_in_headers(provider, headers, now=now) == (Observed(Unit.REQUESTS, Period.MINUTE, 50, 49),)


def test_anthropic_writes_whole_times(now: datetime) -> None:
    headers = {
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "0",
        "anthropic-ratelimit-output-tokens-reset": "2026-11-21T12:00:09Z",
    }
    reset_at = datetime(2026, 11, 21, 12, 0, 9, tzinfo=UTC)
    assert observed_in_headers("anthropic", headers, now=now) == (Observed(Unit.OUTPUT_TOKENS, Period.MINUTE, 8000, 0, reset_at),)


def test_cohere_has_a_month(now: datetime) -> None:
    headers = {
        "x-endpoint-monthly-call-limit": "1000",
        "x-trial-endpoint-call-limit": "20",
        "x-trial-endpoint-call-remaining": "19",
    }
    assert observed_in_headers("cohere", headers, now=now) == (
        Observed(Unit.REQUESTS, Period.MINUTE, 20, 19),
        Observed(Unit.REQUESTS, Period.MONTH, 1000, None),
    )


def test_a_provider_without_headers_tells_nothing(now: datetime) -> None:
    assert observed_in_headers("gemini", {"x-ratelimit-limit-requests": "5"}, now=now) == ()


def test_a_large_limit_is_not_taken_for_a_wait(now: datetime) -> None:
    headers = {"x-ratelimit-limit-tokens": "150000000", "x-ratelimit-remaining-tokens": "149999999.0"}
    assert observed_in_headers("openai", headers, now=now) == (Observed(Unit.TOKENS, Period.MINUTE, 150_000_000, 149_999_999),)


@given(
    provider=st.sampled_from(sorted(HEADER_ROWS)),
    headers=st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30), max_size=8),
)
def test_any_headers_give_counts_that_can_be(provider: str, headers: dict[str, str], now: datetime) -> None:
    for window in observed_in_headers(provider, headers, now=now):
        assert window.limit is None or window.limit >= 0
        assert window.remaining is None or window.remaining >= 0
