"""What today will have cost: by the days before it, or at its own pace; days are those of the operator's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from pool_worker.ledger.database import writing
from pool_worker.ledger.rows import AttemptRow
from pool_worker.ledger.tables import usage_logs
from pool_worker.overview.spending import Span, day_of, earlier_days, forecast_usd, read_today
from pool_worker.registry import Budget

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TODAY = day_of(NOON, "UTC")


def book(engine: Engine, *calls: tuple[datetime, str]) -> None:
    """Calls with their time and what they cost."""
    rows = [
        AttemptRow(
            attempt_id=f"{n}", job_id="a", attempt=n, agent="x", queue="free", outcome="ok", created_at=at, cost=Decimal(cost)
        )
        for n, (at, cost) in enumerate(calls)
    ]
    with writing(engine) as connection:
        connection.execute(usage_logs.insert(), [row.to_columns() for row in rows])


def test_the_rest_of_the_day_costs_what_it_cost_on_average() -> None:
    rests = [Decimal(1), Decimal(2), Decimal(6)]
    assert forecast_usd(Decimal("0.5"), rests, today=TODAY, now=NOON) == Decimal("3.5")
    assert forecast_usd(Decimal(1), [Decimal(0), Decimal(0), Decimal(1)], today=TODAY, now=NOON) == Decimal("1.333333333333")
    assert forecast_usd(Decimal(0), [Decimal(0)] * 7, today=TODAY, now=NOON) == 0


@pytest.mark.parametrize(
    ("hours", "forecast"),
    [(0, "12.5"), (0.5, "12.25"), (1, "12"), (6, "2"), (12, "1"), (24, "0.5"), (25, "0.5")],
)
def test_without_days_before_it_the_day_goes_on_at_its_pace(hours: float, forecast: str) -> None:
    now = TODAY.since + timedelta(hours=hours)
    assert forecast_usd(Decimal("0.5"), [Decimal(100)] * 2, today=TODAY, now=now) == Decimal(forecast)


def test_a_day_of_a_clock_change_has_its_own_length() -> None:
    shorter = day_of(datetime(2026, 3, 29, 12, tzinfo=UTC), "Europe/Berlin")
    longer = day_of(datetime(2026, 10, 25, 12, tzinfo=UTC), "Europe/Berlin")
    assert (shorter.until - shorter.since, longer.until - longer.since) == (timedelta(hours=23), timedelta(hours=25))
    six = datetime(2026, 3, 29, 4, tzinfo=UTC)  # 5 of 23 hours have gone by
    assert six - shorter.since == timedelta(hours=5)
    assert forecast_usd(Decimal(5), [], today=shorter, now=six) == 23
    assert forecast_usd(Decimal(5), [], today=longer, now=longer.since + timedelta(hours=5)) == 25


def test_earlier_days_are_taken_from_the_same_time_of_the_clock() -> None:
    now = datetime(2026, 3, 30, 16, tzinfo=UTC)  # six in the evening in Berlin, which is at UTC+2 since the 29th
    berlin = earlier_days(now, "Europe/Berlin", count=3)
    assert berlin == [
        Span(datetime(2026, 3, 29, 16, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        Span(datetime(2026, 3, 28, 17, tzinfo=UTC), datetime(2026, 3, 28, 23, tzinfo=UTC)),
        Span(datetime(2026, 3, 27, 17, tzinfo=UTC), datetime(2026, 3, 27, 23, tzinfo=UTC)),
    ]
    in_the_gap = datetime(2026, 3, 30, 0, 30, tzinfo=UTC)  # half past two, a time that the day before did not have
    (before,) = earlier_days(in_the_gap, "Europe/Berlin", count=1)
    assert before.since.astimezone(UTC) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_today_is_read_from_the_ledger(engine: Engine) -> None:
    week = [(NOON - timedelta(days=days, hours=-3), "0.7") for days in range(1, 8)]
    book(engine, *week, (NOON - timedelta(days=9), "5"), (NOON - timedelta(hours=1), "0.3"), (NOON - timedelta(hours=25), "9"))
    today = read_today(engine, Budget(daily_usd=Decimal(2)), now=NOON)
    assert (today.day, today.timezone, today.days_looked_at) == ("2026-11-20", "UTC", 7)
    assert (today.spent_usd, today.forecast_usd, today.budget_share) == (Decimal("0.3"), Decimal(1), pytest.approx(0.15))


def test_quiet_days_count_and_the_day_on_which_the_ledger_began_does_not(engine: Engine) -> None:
    book(engine, (NOON - timedelta(days=4, hours=1), "100"), (NOON - timedelta(days=2, hours=-1), "3"), (NOON, "1"))
    today = read_today(engine, Budget(), now=NOON + timedelta(minutes=1))
    assert (today.days_looked_at, today.forecast_usd) == (3, Decimal(2))


def test_nothing_was_spent_yet(engine: Engine) -> None:
    today = read_today(engine, Budget(daily_usd=Decimal(0), timezone="Asia/Kolkata"), now=NOON)
    assert (today.spent_usd, today.forecast_usd, today.budget_share, today.days_looked_at) == (0, 0, None, 0)
    book(engine, (datetime(2026, 11, 19, 18, 29, tzinfo=UTC), "1"), (datetime(2026, 11, 19, 18, 30, tzinfo=UTC), "2"))
    assert read_today(engine, Budget(timezone="Asia/Kolkata"), now=NOON).spent_usd == 2, "since its own midnight"
