"""Each window kind at its exact boundaries."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from small_pool import NOON_MS, Limits, provider, window

from pool_worker.limits.candidates import Charge
from pool_worker.registry import Charges

MINUTE_MS = 60_000


def tokens(amount: int) -> Charge:
    return Charge(input_tokens=amount)


def local_ms(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize("kind", ["sliding", "refill", "fixed"])
def test_the_limit_fits_and_one_more_does_not(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=3)))
    for _ in range(3):
        limits.take()
    refused = limits.refused()
    assert refused.reason == "groq#1: requests per minute"
    assert refused.who == "groq#1"


def test_a_sliding_window_frees_one_period_after_each_call(limits: Limits) -> None:
    limits.use(provider("groq", window("sliding", limit=2)))
    limits.take()
    limits.now_ms += 10_000
    limits.take()
    assert limits.refused().retry_at_ms == NOON_MS + MINUTE_MS
    limits.now_ms = NOON_MS + MINUTE_MS - 1
    limits.refused()
    limits.now_ms = NOON_MS + MINUTE_MS
    limits.take()
    assert limits.refused().retry_at_ms == NOON_MS + 10_000 + MINUTE_MS


def test_a_sliding_window_waits_out_the_guard(limits: Limits) -> None:
    limits.guard_ms = 500
    limits.use(provider("groq", window("sliding", limit=1)))
    limits.take()
    assert limits.refused().retry_at_ms == NOON_MS + MINUTE_MS + 500


def test_a_request_sent_late_counts_from_when_it_was_sent(limits: Limits) -> None:
    limits.use(provider("groq", window("sliding", limit=1)))
    lease = limits.take()
    limits.now_ms += 5_000
    assert limits.settle(lease, sent_after_ms=3_000)
    assert limits.refused().retry_at_ms == NOON_MS + 3_000 + MINUTE_MS


def test_a_refilling_bucket_gives_one_back_at_a_time(limits: Limits) -> None:
    limits.use(provider("groq", window("refill", limit=3)))
    for _ in range(3):
        limits.take()
    assert limits.refused().retry_at_ms == NOON_MS + 20_000
    limits.now_ms = NOON_MS + 19_999
    limits.refused()
    limits.now_ms = NOON_MS + 20_000
    limits.take()
    assert limits.refused().retry_at_ms == NOON_MS + 40_000


def test_a_refilling_bucket_takes_a_request_as_large_as_itself_and_drains_exactly(limits: Limits) -> None:
    limits.guard_ms = 500
    upfront = {"charges": Charges.UPFRONT}
    limits.use(provider("cerebras", window("refill", limit=7_000, unit="tokens"), **upfront))
    limits.take(tokens(7_000))
    assert limits.refused(tokens(3_500)).retry_at_ms == NOON_MS + 500 + 30_000
    limits.now_ms = NOON_MS + 30_499
    limits.refused(tokens(3_500))
    limits.now_ms = NOON_MS + 30_500
    limits.take(tokens(3_500))


def test_a_fixed_window_is_free_again_at_the_next_calendar_period(limits: Limits) -> None:
    limits.now_ms = NOON_MS + 45_678
    limits.use(provider("groq", window("fixed", limit=1)))
    limits.take()
    assert limits.refused().retry_at_ms == NOON_MS + MINUTE_MS
    limits.now_ms = NOON_MS + MINUTE_MS - 1
    limits.refused()
    limits.now_ms = NOON_MS + MINUTE_MS
    limits.take()


def test_a_call_just_before_the_end_of_a_fixed_period_counts_in_both(limits: Limits) -> None:
    limits.guard_ms = 500
    limits.now_ms = NOON_MS + MINUTE_MS - 501
    limits.use(provider("groq", window("fixed", limit=2)))
    limits.take()
    limits.now_ms += 1
    limits.take()
    limits.now_ms = NOON_MS + MINUTE_MS
    limits.take()
    assert limits.refused().retry_at_ms == NOON_MS + 2 * MINUTE_MS


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        ("2026-03-07T12:00", "2026-03-08T00:00"),
        ("2026-03-08T01:59", "2026-03-09T00:00"),  # spring: a day of 23 hours
        ("2026-11-01T00:30", "2026-11-02T00:00"),  # autumn: a day of 25 hours
    ],
)
def test_a_day_ends_at_midnight_in_its_own_time_zone(limits: Limits, now: str, reset: str) -> None:
    zone = "America/Los_Angeles"
    limits.now_ms = local_ms(now, zone)
    limits.use(provider("gemini", window("fixed", limit=1, per="day", timezone=zone)))
    limits.take()
    assert limits.refused().retry_at_ms == local_ms(reset, zone)
    limits.now_ms = local_ms(reset, zone)
    limits.take()


def test_a_month_ends_with_its_last_day(limits: Limits) -> None:
    limits.use(provider("cohere", window("fixed", limit=1, per="month")))
    limits.take()
    assert limits.refused().retry_at_ms == local_ms("2025-12-01T00:00", "UTC")


@pytest.mark.parametrize("kind", ["sliding", "refill", "fixed"])
def test_the_truth_replaces_the_estimate(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=1_000, unit="tokens")))
    lease = limits.take(tokens(900))
    limits.refused(tokens(200))
    limits.settle(lease, Charge(input_tokens=100, output_tokens=50))
    limits.take(tokens(850))
    limits.refused(tokens(1))


@pytest.mark.parametrize("kind", ["sliding", "refill", "fixed"])
def test_more_than_estimated_counts_too(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=1_000, unit="tokens")))
    limits.settle(limits.take(tokens(100)), tokens(990))
    limits.take(tokens(10))
    limits.refused(tokens(1))


@pytest.mark.parametrize("kind", ["sliding", "refill", "fixed"])
def test_tokens_of_a_long_call_stay_reserved_until_it_ends(limits: Limits, kind: str) -> None:
    limits.use(provider("mistral", window(kind, limit=1_000, unit="tokens")))
    lease = limits.take(tokens(900), ttl_ms=600_000)
    limits.now_ms += 3 * MINUTE_MS
    limits.refused(tokens(200))
    limits.settle(lease, tokens(900))
    limits.refused(tokens(200))
    limits.now_ms += MINUTE_MS
    limits.take(tokens(1_000))


@pytest.mark.parametrize("kind", ["sliding", "refill", "fixed"])
@pytest.mark.parametrize("unit", ["requests", "tokens"])
def test_a_refund_gives_everything_back(limits: Limits, kind: str, unit: str) -> None:
    limits.use(provider("groq", window(kind, limit=1, unit=unit)))
    lease = limits.take(tokens(1))
    limits.refused(tokens(1))
    assert limits.refund(lease)
    limits.take(tokens(1))


def test_a_failing_window_leaves_the_others_untouched(limits: Limits) -> None:
    limits.use(provider("groq", window("sliding", limit=10), window("refill", limit=100, unit="tokens")))
    for _ in range(3):
        limits.take(tokens(30))
    for _ in range(20):
        limits.refused(tokens(30))
    for _ in range(7):
        limits.take(tokens(1))
    assert limits.refused(tokens(1)).reason == "groq#1: requests per minute"


@pytest.mark.parametrize("kind", ["sliding", "refill", "fixed"])
def test_a_job_larger_than_the_window_never_fits(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=1_000, unit="tokens")))
    refused = limits.refused(tokens(1_001))
    assert refused.retry_at_ms is None
    assert refused.too_large == ("groq-small",)
    limits.take(tokens(1_000))


def test_a_window_of_nothing_is_never_open(limits: Limits) -> None:
    limits.use(provider("gemini", window("fixed", limit=0, per="day")))
    assert limits.refused().retry_at_ms is None


def test_a_spent_window_of_units_admits_nothing_even_when_the_estimate_is_nothing(limits: Limits) -> None:
    limits.use(provider("cloudflare", window("fixed", limit=10_000, unit="units", per="day")))
    limits.settle(limits.take(), Charge(milli_units=10_000_000))
    limits.refused()
