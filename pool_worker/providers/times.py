"""The ways in which providers write times and waits. Every parser takes any text and gives None for what it cannot read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

MAX_WAIT = timedelta(days=400)
"""A longer wait is no information."""
_MAX_TEXT = 4_000

_UNIT_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_GO_PART = r"[0-9]{1,18}(?:\.[0-9]{1,18})?(?:ms|us|µs|ns|d|h|m|s)"
_GO_DURATION = re.compile(rf"(?:{_GO_PART}){{1,8}}")
_GO_PARTS = re.compile(r"([0-9.]+)([a-zµ]+)")
_NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
_IN_WORDS = r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(?P<unit>milli)?(?P<word>second|minute|hour|day)s?"
_STATED_WAIT = re.compile(
    rf"(?:try again|retry|retrying|retried|come back|available(?: again)?|wait|resets?)\s*(?:in|after|for|:)?\s*"
    rf"(?:(?P<go>(?:{_GO_PART}){{1,8}})(?![a-z])|{_IN_WORDS})",
    re.IGNORECASE | re.ASCII,
)


def parse_duration(text: str) -> timedelta | None:
    """A Go duration (`2m59.56s`, `194ms`, `1h53m56.832s`) or Google's `22s`."""
    text = text.strip().lower()
    if not _GO_DURATION.fullmatch(text):
        return None
    return _wait(sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _GO_PARTS.findall(text)))


def parse_seconds(text: str) -> timedelta | None:
    """Seconds with or without a fraction: `33011.38`."""
    text = text.strip()
    return _wait(float(text)) if _NUMBER.fullmatch(text) else None


def parse_milliseconds(text: str) -> timedelta | None:
    """Milliseconds: `retry-after-ms: 1500`."""
    text = text.strip()
    return _wait(float(text) / 1_000) if _NUMBER.fullmatch(text) else None


def parse_epoch_ms(text: str) -> datetime | None:
    """Milliseconds since 1970: `1765680060000`."""
    text = text.strip()
    return datetime.fromtimestamp(int(text) / 1_000, UTC) if re.fullmatch(r"[0-9]{1,14}", text, re.ASCII) else None


def parse_rfc3339(text: str) -> datetime | None:
    """An RFC 3339 time with its zone: `2026-11-21T12:00:00Z`."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_http_date(text: str) -> datetime | None:
    """The date of a Retry-After header: `Sat, 21 Nov 2026 12:00:00 GMT`."""
    try:
        moment = parsedate_to_datetime(text[:64])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def find_stated_wait(text: str) -> timedelta | None:
    """The wait in a sentence: `Please try again in 1h53m56.8s`, `retry after 30 seconds`."""
    found = _STATED_WAIT.search(text[:_MAX_TEXT])
    if found is None:
        return None
    if found["go"]:
        return parse_duration(found["go"])
    scale = 1e-3 if found["unit"] else 1.0
    return _wait(float(found["number"]) * scale * _UNIT_SECONDS[found["word"][0].lower()])


def next_midnight(now: datetime, timezone: str) -> datetime:
    """When the next day begins there, in UTC; daylight saving makes it 23 to 25 hours at most."""
    tomorrow = now.astimezone(ZoneInfo(timezone)).date() + timedelta(days=1)
    return datetime.combine(tomorrow, datetime.min.time(), ZoneInfo(timezone)).astimezone(UTC)


def next_month(now: datetime, timezone: str) -> datetime:
    """When the next calendar month begins there, in UTC."""
    today = now.astimezone(ZoneInfo(timezone)).date()
    first = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime.combine(first, datetime.min.time(), ZoneInfo(timezone)).astimezone(UTC)


def _wait(seconds: float) -> timedelta | None:
    return timedelta(seconds=seconds) if 0 <= seconds <= MAX_WAIT.total_seconds() else None
