"""Calendar periods: when a minute, hour, day or month of a time zone starts and ends. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pool_worker.registry import Period

PERIOD_MS = {Period.MINUTE: 60_000, Period.HOUR: 3_600_000, Period.DAY: 86_400_000}
"""Length of the periods that have one."""

LONGEST_MONTH_MS = 31 * PERIOD_MS[Period.DAY]

Span = tuple[int, int]
"""Start and end (the first instant that is not in it) of a period, in epoch milliseconds."""


def period_ms(per: Period) -> int:
    """The length of a period, of a month the longest that there is."""
    return PERIOD_MS.get(per, LONGEST_MONTH_MS)


def calendar_name(per: Period, timezone: str) -> str:
    """How a calendar is called in a script's arguments: `day@America/Los_Angeles`."""
    return f"{per.value}@{timezone}"


def spans(per: Period, timezone: str, *, from_ms: int, until_ms: int) -> list[Span]:
    """The period that `from_ms` is in, and those after it until one ends later than `until_ms`.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: if there is no such time zone.
    """
    # Every zone's periods start on a whole minute, so the minute decides.
    found = [_span(per, timezone, from_ms // 60_000)]
    while found[-1][1] <= until_ms:
        found.append(_span(per, timezone, found[-1][1] // 60_000))
    return found


@lru_cache(maxsize=1024)
def _span(per: Period, timezone: str, minute: int) -> Span:
    zone = ZoneInfo(timezone)
    local = datetime.fromtimestamp(minute * 60, UTC).astimezone(zone)
    start, end = _BOUNDS[per](local)
    return _epoch_ms(start), _epoch_ms(end)


def _minute(local: datetime) -> tuple[datetime, datetime]:
    start = local.astimezone(UTC)
    return start, start + timedelta(minutes=1)


def _hour(local: datetime) -> tuple[datetime, datetime]:
    # In UTC, so that the hour that a clock change repeats is two hours.
    start = local.astimezone(UTC) - timedelta(minutes=local.minute)
    return start, start + timedelta(hours=1)


def _day(local: datetime) -> tuple[datetime, datetime]:
    # Wall-clock arithmetic: a day of a clock change has 23 or 25 hours.
    start = local.replace(hour=0, minute=0, fold=0)
    return start, (start + timedelta(days=1)).replace(fold=0)


def _month(local: datetime) -> tuple[datetime, datetime]:
    start = local.replace(day=1, hour=0, minute=0, fold=0)
    return start, (start + timedelta(days=32)).replace(day=1, fold=0)


_BOUNDS: dict[Period, Callable[[datetime], tuple[datetime, datetime]]] = {
    Period.MINUTE: _minute,
    Period.HOUR: _hour,
    Period.DAY: _day,
    Period.MONTH: _month,
}


def _epoch_ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
