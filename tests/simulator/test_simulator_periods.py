"""Calendar periods begin where the provider's own clock on the wall says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pool_worker.registry import Period
from pool_worker.simulator.periods import calendar_period


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "per", "timezone", "start", "end"),
    [
        ("2026-11-20T10:00:30", Period.MINUTE, "UTC", "2026-11-20T10:00:00", "2026-11-20T10:01:00"),
        ("2026-11-20T10:59:59", Period.HOUR, "UTC", "2026-11-20T10:00:00", "2026-11-20T11:00:00"),
        ("2026-11-20T10:15:00", Period.HOUR, "Asia/Kolkata", "2026-11-20T09:30:00", "2026-11-20T10:30:00"),
        ("2026-11-20T07:59:59", Period.DAY, "America/Los_Angeles", "2026-11-19T08:00:00", "2026-11-20T08:00:00"),
        ("2026-11-20T08:00:00", Period.DAY, "America/Los_Angeles", "2026-11-20T08:00:00", "2026-11-21T08:00:00"),
        ("2026-12-31T23:00:00", Period.MONTH, "UTC", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("2026-01-31T12:00:00", Period.MONTH, "UTC", "2026-01-01T00:00:00", "2026-02-01T00:00:00"),
    ],
)
def test_a_period_of_the_calendar(now: str, per: Period, timezone: str, start: str, end: str) -> None:
    assert calendar_period(at(now), per=per, timezone=timezone) == (at(start), at(end))


@pytest.mark.parametrize(
    ("day", "start", "end", "hours"),
    [
        ("2026-03-08T20:00:00", "2026-03-08T08:00:00", "2026-03-09T07:00:00", 23),
        ("2026-11-01T20:00:00", "2026-11-01T07:00:00", "2026-11-02T08:00:00", 25),
    ],
)
def test_the_days_on_which_the_clocks_change_are_shorter_and_longer(day: str, start: str, end: str, hours: int) -> None:
    period = calendar_period(at(day), per=Period.DAY, timezone="America/Los_Angeles")
    assert period == (at(start), at(end))
    assert period[1] - period[0] == hours * 3600
