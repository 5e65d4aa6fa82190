"""What today will have cost by its end: a forecast from what the ledger says of today and of the days before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from pool_worker.ledger import reports
from pool_worker.ledger.columns import USD_PLACES
from pool_worker.limits.periods import spans
from pool_worker.registry import Budget, Period

LOOKS_BACK_DAYS = 7
ENOUGH_DAYS = 3
"""With fewer whole days before today, the pace of today is all there is to go by."""
SHORTEST_PACE = timedelta(hours=1)
"""What was spent in the first minutes of a day is no pace; it counts as that of an hour."""


@dataclass(frozen=True, slots=True)
class Span:
    """From an instant until just before another, both in UTC."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Today:
    """The money of a day of the budget's time zone, while it lasts."""

    day: str
    timezone: str
    spent_usd: Decimal
    forecast_usd: Decimal
    """By the day's end."""
    budget_usd: Decimal
    days_looked_at: int
    """On so many days before it the forecast rests; 0: on the pace of today."""

    @property
    def budget_share(self) -> float | None:
        """How much of the budget is spent; None: there is none to spend."""
        return float(self.spent_usd / self.budget_usd) if self.budget_usd else None


def day_of(at: datetime, timezone: str) -> Span:
    """The calendar day that an instant is in; 23 or 25 hours where the clocks change."""
    at_ms = round(at.timestamp() * 1000)
    ((start_ms, end_ms), *_) = spans(Period.DAY, timezone, from_ms=at_ms, until_ms=at_ms)
    return Span(datetime.fromtimestamp(start_ms / 1000, UTC), datetime.fromtimestamp(end_ms / 1000, UTC))


def earlier_days(at: datetime, timezone: str, *, count: int = LOOKS_BACK_DAYS) -> list[Span]:
    """The days before an instant's, each from the same time of the clock until its end; the latest first."""
    zone = ZoneInfo(timezone)
    local = at.astimezone(zone).replace(tzinfo=None, fold=0)
    same_time = [(local - timedelta(days=days)).replace(tzinfo=zone).astimezone(UTC) for days in range(1, count + 1)]
    return [Span(then, day_of(then, timezone).until) for then in same_time]


def forecast_usd(spent_usd: Decimal, rests_usd: Sequence[Decimal], *, today: Span, now: datetime) -> Decimal:
    """What a day will have cost: what it has cost so far, and what the rest of the days before it cost on average.

    Args:
        spent_usd: So far.
        rests_usd: What earlier days cost from this time of theirs until their end. With fewer than `ENOUGH_DAYS` of them the
            day is taken to go on at the pace that it had.
        today: The day.
        now: The time.
    """
    if len(rests_usd) >= ENOUGH_DAYS:
        return _rounded(spent_usd + sum(rests_usd, Decimal(0)) / len(rests_usd))
    elapsed_s = max(now - today.since, SHORTEST_PACE).total_seconds()
    left_s = max(timedelta(0), today.until - now).total_seconds()
    return _rounded(spent_usd + spent_usd * round(left_s) / round(elapsed_s))


def _rounded(usd: Decimal) -> Decimal:
    return round(usd, USD_PLACES)


def read_today(engine: Engine, budget: Budget, *, now: datetime) -> Today:
    """What the ledger says of the day, in the budget's time zone; some ten sums by index.

    Only days that the ledger was there for from their beginning are looked at, also if nothing was spent on them.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: if the database cannot be read.
    """
    zone = budget.timezone
    today, first = day_of(now, zone), reports.first_call(engine)
    whole = [rest for rest in earlier_days(now, zone) if first is not None and first <= day_of(rest.since, zone).since]
    rests = [reports.spent_since(engine, rest.since, until=rest.until) for rest in whole] if len(whole) >= ENOUGH_DAYS else []
    spent = reports.spent_since(engine, today.since, until=today.until)
    return Today(
        day=f"{now.astimezone(ZoneInfo(zone)):%Y-%m-%d}",
        timezone=zone,
        spent_usd=spent,
        forecast_usd=forecast_usd(spent, rests, today=today, now=now),
        budget_usd=budget.daily_usd,
        days_looked_at=len(rests),
    )
