"""Times as providers write them: each form is read, and no text at all makes a parser fail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_worker.providers import times

moments = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
PARSERS: list[Callable[[str], object]] = [
    times.parse_duration,
    times.parse_seconds,
    times.parse_milliseconds,
    times.parse_epoch_ms,
    times.parse_rfc3339,
    times.parse_http_date,
    times.find_stated_wait,
]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("194ms", 0.194),
        ("1h53m56.832s", 6836.832),
        ("22s", 22),
        ("6m0s", 360),
        ("1d2h", 93_600),
        ("12", None),
        ("s", None),
        ("-4s", None),
        ("4s later", None),
        ("99999999999999h", None),
        ("", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    wait = times.parse_duration(text)
    assert (None if wait is None else wait.total_seconds()) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("sentence", "seconds"),
    [
        ("… Requested 5863. Please try again in 3.405s. Need more?", 3.405),
        ("Please try again in 1h53m56.8s", 6836.8),
        ("model: gemini-2.5-flash\nPlease retry in 47.6s.", 47.6),
        ("Please retry after 30 seconds", 30),
        ("try again in 5 minutes.", 300),
        ("Try again in 250 milliseconds", 0.25),
        ("wait 2 hours", 7200),
        ("Please try again later", None),
        ("Please try again in 5ſ", None),
        ("limited to 20 API calls / minute", None),
        ("tokens per minute: Limit 8000", None),
    ],
)
def test_waits_in_sentences(sentence: str, seconds: float | None) -> None:
    wait = times.find_stated_wait(sentence)
    assert (None if wait is None else wait.total_seconds()) == pytest.approx(seconds)


@given(hours=st.integers(0, 500), minutes=st.integers(0, 59), milliseconds=st.integers(0, 59_999))
def test_a_duration_written_is_the_duration_read(hours: int, minutes: int, milliseconds: int) -> None:
    text = f"{hours}h{minutes}m{milliseconds // 1000}.{milliseconds % 1000:03d}s"
    assert times.parse_duration(text) == timedelta(hours=hours, minutes=minutes, milliseconds=milliseconds)
    assert times.find_stated_wait(f"Please try again in {text}.") == times.parse_duration(text)


@given(moment=moments)
def test_a_moment_written_is_the_moment_read(moment: datetime) -> None:
    assert times.parse_rfc3339(moment.isoformat()) == moment
    assert times.parse_rfc3339(moment.isoformat().replace("+00:00", "Z")) == moment
    seconds = moment.replace(microsecond=0)
    assert times.parse_http_date(format_datetime(seconds, usegmt=True)) == seconds
    assert times.parse_epoch_ms(str(int(seconds.timestamp()) * 1000)) == seconds


@given(text=st.text() | st.from_regex(r"\A[0-9hmsd.:TZ+ -]{0,40}\Z") | st.from_regex(r"try again in [0-9]{1,30}[a-zµ]{1,9}"))
def test_no_text_makes_a_parser_fail(text: str) -> None:
    for parse in PARSERS:
        found = parse(text)
        assert found is None or isinstance(found, timedelta | datetime)
        assert not isinstance(found, timedelta) or timedelta(0) <= found <= times.MAX_WAIT
        assert not isinstance(found, datetime) or found.tzinfo is UTC


@given(
    moment=moments, zone=st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo"])
)
def test_the_next_midnight_is_ahead_and_no_more_than_a_day(moment: datetime, zone: str) -> None:
    assert timedelta(0) < times.next_midnight(moment, zone) - moment <= timedelta(hours=25)
    assert timedelta(0) < times.next_month(moment, zone) - moment <= timedelta(days=31, hours=1)


def test_midnight_and_month_of_a_known_moment() -> None:
    moment = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert times.next_midnight(moment, "America/Los_Angeles") == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert times.next_midnight(moment, "UTC") == datetime(2026, 11, 22, tzinfo=UTC)
    assert times.next_month(moment, "UTC") == datetime(2026, 12, 1, tzinfo=UTC)
