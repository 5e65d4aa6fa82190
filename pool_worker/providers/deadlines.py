"""When to come back after a refusal: one function per policy, named by the rows of the refusal table.

Each takes the refusal and the present and gives a time, or None where the provider named none (the error class then has its
default). The better informed source wins: body, then headers, then what the kind of window implies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from pool_worker.providers.observed import observed_in_headers
from pool_worker.providers.refusal import Refusal
from pool_worker.providers.times import (
    find_stated_wait,
    next_midnight,
    next_month,
    parse_duration,
    parse_epoch_ms,
    parse_http_date,
    parse_milliseconds,
    parse_seconds,
)

Deadline = Callable[[Refusal, datetime], datetime | None]

MIN_DAY_WAIT = timedelta(minutes=2)
"""A spent day is never tried again within this, whatever a misleading Retry-After says."""
REFILL_CHECK = timedelta(hours=1)
"""When a day's window refills in a way that nobody stated, look again after this."""


def unnamed(_refusal: Refusal, _now: datetime) -> None:
    """No time: waiting does not help, or what the provider names is false (Groq's Retry-After on a 413)."""


def stated(refusal: Refusal, now: datetime) -> datetime | None:
    """What the body says, else what the headers say."""
    return _stated_in_body(refusal, now) or _stated_in_headers(refusal, now)


def minute(refusal: Refusal, now: datetime) -> datetime:
    """As stated, else a minute."""
    return stated(refusal, now) or now + timedelta(minutes=1)


def hour(refusal: Refusal, now: datetime) -> datetime:
    """As stated, else a tenth of an hour: such windows refill."""
    return stated(refusal, now) or now + REFILL_CHECK / 10


def refilling_day(refusal: Refusal, now: datetime) -> datetime:
    """A day that refills continuously, or resets nobody knows when: as stated, but not at once; else look again in an hour."""
    return max(stated(refusal, now) or now + REFILL_CHECK, now + MIN_DAY_WAIT)


def day_in(timezone: str) -> Deadline:
    """A calendar day of this time zone: only an absolute time in the body is believed over its midnight."""

    def until(refusal: Refusal, now: datetime) -> datetime:
        return max(_reset_in_body(refusal) or next_midnight(now, timezone), now + MIN_DAY_WAIT)

    return until


def month_in(timezone: str) -> Deadline:
    """A calendar month of this time zone."""

    def until(_refusal: Refusal, now: datetime) -> datetime:
        return max(next_month(now, timezone), now + MIN_DAY_WAIT)

    return until


def _stated_in_body(refusal: Refusal, now: datetime) -> datetime | None:
    details = refusal.error.fields.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        wait = parse_duration(delay) if isinstance(delay, str) else None
        if wait is not None:
            return now + wait
    wait = find_stated_wait(refusal.error.message)
    return now + wait if wait is not None else _reset_in_body(refusal)


def _reset_in_body(refusal: Refusal) -> datetime | None:
    """OpenRouter repeats its headers in the body: `metadata.headers["X-RateLimit-Reset"]`, in epoch milliseconds."""
    metadata = refusal.error.fields.get("metadata")
    headers = metadata.get("headers") if isinstance(metadata, Mapping) else None
    if not isinstance(headers, Mapping):
        return None
    return next((parse_epoch_ms(str(value)) for name, value in headers.items() if str(name).lower() == "x-ratelimit-reset"), None)


def _stated_in_headers(refusal: Refusal, now: datetime) -> datetime | None:
    wait = parse_milliseconds(refusal.headers.get("retry-after-ms", "")) or parse_seconds(refusal.headers.get("retry-after", ""))
    if wait is not None:
        return now + wait
    named = parse_http_date(refusal.headers.get("retry-after", "")) or parse_epoch_ms(
        refusal.headers.get("x-ratelimit-reset", "")
    )
    if named is not None:
        return named
    spent = observed_in_headers(refusal.provider_id, refusal.headers, now=now)
    return max((window.reset_at for window in spent if window.remaining == 0 and window.reset_at), default=None)
