"""Figures as people read them: money, durations, times of day, shares."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

NOTHING = "–"
"""What stands where there is no figure."""
FULL, EMPTY = "█", "░"
SECOND_MS = 1000
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
CENT, DOLLAR = Decimal("0.01"), Decimal(1)


def usd(amount: Decimal) -> str:
    """Money: in cents from a dollar on, below to a hundredth of a cent, and below a cent with two digits that mean something."""
    if amount == 0:
        return "0.00 USD"
    if amount >= DOLLAR:
        return f"{amount:,.2f} USD"
    if amount >= CENT:
        cents, rest = f"{amount:.4f}"[:-2], f"{amount:.4f}"[-2:]
        return f"{cents}{rest.rstrip('0')} USD"
    exact = f"{amount:.8f}".rstrip("0")
    first = next((place for place, digit in enumerate(exact) if digit not in "0."), len(exact))
    return f"{exact[: first + 2]} USD" if first < len(exact) else "< 0.00000001 USD"


def milliseconds(latency_ms: float | None) -> str:
    """A latency, without its unit below a second's worth of digits: `243 ms`, `1.9 s`."""
    if latency_ms is None:
        return NOTHING
    if latency_ms < SECOND_MS:
        return f"{latency_ms:.0f} ms"
    return span(latency_ms / SECOND_MS)


def span(seconds: float) -> str:
    """A duration in its two largest units: `1.9 s`, `4 m 10 s`, `3 h 5 m`, `2 d 4 h`."""
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s" if seconds < MINUTE_S / 6 else f"{seconds:.0f} s"
    whole = round(seconds)
    for unit_s, unit, part_s, part in ((DAY_S, "d", HOUR_S, "h"), (HOUR_S, "h", MINUTE_S, "m"), (MINUTE_S, "m", 1, "s")):
        if whole >= unit_s:
            rest = whole % unit_s // part_s
            return f"{whole // unit_s} {unit} {rest} {part}" if rest else f"{whole // unit_s} {unit}"
    return f"{whole} s"


def moment(at: datetime | None, *, now: datetime | None = None) -> str:
    """A time in this machine's zone; with its day unless that is today's."""
    if at is None:
        return NOTHING
    here, today = at.astimezone(), (now or datetime.now(UTC)).astimezone().date()
    return f"{here:%H:%M:%S}" if here.date() == today else f"{here:%Y-%m-%d %H:%M:%S}"


def to_the_minute(at: datetime) -> str:
    """A time in this machine's zone, where there is little room: `12:04`, and with its day unless that is today's."""
    here = at.astimezone()
    return f"{here:%H:%M}" if here.date() == datetime.now(UTC).astimezone().date() else f"{here:%m-%d %H:%M}"


def until(at: datetime, *, now: datetime) -> str:
    """How long it is until then: `in 12 s`, or `now`."""
    left = at - now
    return f"in {span(left.total_seconds())}" if left > timedelta(0) else "now"


def percent(share: float) -> str:
    """A share; never shown as 0 % or 100 % when it is not quite that."""
    if 0 < share < 0.01:  # noqa: PLR2004 - a hundredth is what percent means
        return "<1%"
    if 0.99 < share < 1:  # noqa: PLR2004
        return "99%"
    return f"{share:.0%}"


def bar(share: float, *, width: int = 10) -> str:
    """A bar of so many characters; anything above nothing shows."""
    bounded = min(1.0, max(0.0, share))
    filled = max(1, round(bounded * width)) if bounded > 0 else 0
    return FULL * filled + EMPTY * (width - filled)


def limit_words(limit: int, configured: int) -> str:
    """A limit, with the configured one where it is lower: `6,000 (of 8,000)`."""
    return f"{limit:,}" + (f" (of {configured:,})" if limit < configured else "")


def load_colour(share: float) -> str:
    """Green while there is room, yellow from three quarters, red from nine tenths."""
    return "red" if share >= 0.9 else "yellow" if share >= 0.75 else "green"  # noqa: PLR2004 - the pool's own thresholds


def count_of(number: int, thing: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
