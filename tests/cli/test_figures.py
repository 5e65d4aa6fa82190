from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from pool_worker.cli.figures import bar, count_of, milliseconds, moment, percent, span, until, usd
from pool_worker.cli.since import parse_since

NOW = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00 USD"),
        ("0E-12", "0.00 USD"),
        ("12.345", "12.34 USD"),
        ("1234.5", "1,234.50 USD"),
        ("1", "1.00 USD"),
        ("0.5", "0.50 USD"),
        ("0.0149", "0.0149 USD"),
        ("0.123456", "0.1235 USD"),
        ("0.01", "0.01 USD"),
        ("0.00123", "0.0012 USD"),
        ("0.000000001", "< 0.00000001 USD"),
    ],
)
def test_money_is_never_rounded_to_nothing(amount: str, text: str) -> None:
    assert usd(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (1.94, "1.9 s"),
        (42.4, "42 s"),
        (250, "4 m 10 s"),
        (3600, "1 h"),
        (11_100, "3 h 5 m"),
        (187_300, "2 d 4 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_latencies_shares_and_counts() -> None:
    assert [milliseconds(value) for value in (None, 0.4, 243.2, 1900)] == ["–", "0 ms", "243 ms", "1.9 s"]
    assert [percent(share) for share in (0, 0.0001, 0.5, 0.9999, 1)] == ["0%", "<1%", "50%", "99%", "100%"]
    assert [count_of(number, "job") for number in (0, 1, 1200)] == ["0 jobs", "1 job", "1,200 jobs"]


@given(st.floats(min_value=-1, max_value=5), st.integers(min_value=1, max_value=60))
def test_a_bar_has_its_width_and_shows_whatever_is_above_nothing(share: float, width: int) -> None:
    drawn = bar(share, width=width)
    assert len(drawn) == width
    assert drawn.startswith("█") is (share > 0)
    assert drawn.endswith("█") is (round(min(share, 1) * width) == width or (share > 0 and width == 1))


def test_times_say_their_day_only_when_it_is_not_today() -> None:
    assert len(moment(NOW, now=NOW)) == len("02:30:00")
    assert moment(NOW, now=NOW + timedelta(days=3)).startswith("2026-11-2")
    assert moment(None) == "–"
    assert until(NOW + timedelta(seconds=90), now=NOW) == "in 1 m 30 s"
    assert until(NOW - timedelta(seconds=1), now=NOW) == "now"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("24h", NOW - timedelta(hours=24)),
        ("7D", NOW - timedelta(days=7)),
        (" 2 w ", NOW - timedelta(weeks=2)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:00:00+02:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
    ],
)
def test_since_when(text: str, at: datetime) -> None:
    assert parse_since(text, now=NOW) == at


@pytest.mark.parametrize("text", ["yesterday", "", "7", "h", "-3d", "2026-13-01", "2027-01-01", "999999w"])
def test_a_wrong_since_is_told_with_what_would_be_right(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"(?s)write e\.g\. 90m, 24h, 7d") as told:
        parse_since(text, now=NOW)
    assert f'"{text}"' in str(told.value)


@given(st.text(max_size=20))
def test_any_text_is_a_moment_or_a_mistake(text: str) -> None:
    with contextlib.suppress(typer.BadParameter):
        assert parse_since(text, now=NOW) <= NOW
