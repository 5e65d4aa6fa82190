"""Calendar periods, with the clock changes in them."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_worker.limits.periods import spans
from pool_worker.registry import Period

HOUR_MS = 3_600_000


def ms(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("per", "zone", "now", "start", "end"),
    [
        (Period.MINUTE, "UTC", "2026-01-31T23:59:59.999", "2026-01-31T23:59", "2026-02-01T00:00"),
        (Period.HOUR, "Asia/Kolkata", "2026-01-31T10:29", "2026-01-31T10:00", "2026-01-31T11:00"),
        (Period.DAY, "America/Los_Angeles", "2026-01-31T00:00", "2026-01-31T00:00", "2026-02-01T00:00"),
        (Period.MONTH, "UTC", "2028-02-29T12:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        (Period.MONTH, "UTC", "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_a_period_starts_and_ends_by_the_wall_clock(per: Period, zone: str, now: str, start: str, end: str) -> None:
    at = ms(now, zone)
    assert spans(per, zone, from_ms=at, until_ms=at) == [(ms(start, zone), ms(end, zone))]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-03-09", 24), ("2026-11-01", 25)])
def test_days_of_a_clock_change_are_shorter_or_longer(day: str, hours: int) -> None:
    noon = ms(f"{day}T12:00", "America/Los_Angeles")
    ((start, end),) = spans(Period.DAY, "America/Los_Angeles", from_ms=noon, until_ms=noon)
    assert end - start == hours * HOUR_MS


def test_a_midnight_that_does_not_exist_is_the_moment_of_the_change() -> None:
    noon = ms("2026-09-06T12:00", "America/Santiago")
    ((start, end),) = spans(Period.DAY, "America/Santiago", from_ms=noon, until_ms=noon)
    assert (start, end) == (ms("2026-09-06T04:00"), ms("2026-09-07T03:00"))


def test_as_many_periods_as_it_takes() -> None:
    start = ms("2026-01-01T00:00:30")
    assert [end for _, end in spans(Period.MINUTE, "UTC", from_ms=start, until_ms=start + 90_000)] == [
        start + 30_000,
        start + 90_000,
        start + 150_000,
    ]


@given(
    per=st.sampled_from(Period),
    zone=st.sampled_from(("UTC", "America/Los_Angeles", "Asia/Kolkata", "Europe/Berlin", "America/Santiago")),
    at=st.integers(ms("2025-01-01"), ms("2030-01-01")),
    more=st.integers(0, 200 * HOUR_MS),
)
def test_periods_contain_the_time_and_join_without_gaps(per: Period, zone: str, at: int, more: int) -> None:
    until = at + (more if per in {Period.DAY, Period.MONTH} else more % HOUR_MS)
    found = spans(per, zone, from_ms=at, until_ms=until)
    assert found[0][0] <= at < found[0][1]
    assert found[-1][0] <= until < found[-1][1]
    assert all(before[1] == after[0] for before, after in pairwise(found))
