"""Calendar periods in a named time zone, as instants in seconds since the epoch."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pool_worker.registry import Period

LENGTH_S = {Period.MINUTE: 60.0, Period.HOUR: 3600.0, Period.DAY: 86_400.0, Period.MONTH: 30 * 86_400.0}
"""Nominal lengths; only calendar periods know that months and days differ."""


def calendar_period(now_s: float, *, per: Period, timezone: str) -> tuple[float, float]:
    """Start and end of the calendar period that `now_s` lies in; a day with a clock change has 23 or 25 hours."""
    local = datetime.fromtimestamp(now_s, ZoneInfo(timezone))
    if per in {Period.MINUTE, Period.HOUR}:
        offset = local.utcoffset()
        assert offset is not None  # noqa: S101 - a zone always has one
        length, shift = LENGTH_S[per], offset.total_seconds()
        start = (now_s + shift) // length * length - shift
        return start, start + length
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if per is Period.DAY:
        return midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()
    first = midnight.replace(day=1)
    return first.timestamp(), (first + timedelta(days=32)).replace(day=1).timestamp()
