"""What a provider's headers tell about its limits, as a table: PROVIDERS.md §4.

For when the next request may come, ask a refusal's `retry_at`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pool_worker.observed import Observed
from pool_worker.providers.dialects import dialect_of
from pool_worker.providers.times import parse_duration, parse_rfc3339, parse_seconds
from pool_worker.registry import Period, Unit

_COUNT = re.compile(r"([0-9]{1,15})(?:\.[0-9]{1,15})?", re.ASCII)


Reset = Callable[[str, datetime], datetime | None]


@dataclass(frozen=True, slots=True)
class HeaderRow:
    """Where one window stands in the headers; a name may be missing."""

    unit: Unit
    per: Period
    limit: str
    remaining: str
    reset: str = ""
    read_reset: Reset | None = None


def _after(parse: Callable[[str], timedelta | None]) -> Reset:
    def read(text: str, now: datetime) -> datetime | None:
        wait = parse(text)
        return None if wait is None else now + wait

    return read


def _at(text: str, _now: datetime) -> datetime | None:
    return parse_rfc3339(text)


_in_duration = _after(parse_duration)
_in_seconds = _after(parse_seconds)


def _row(unit: Unit, per: Period, names: str, read_reset: Reset | None = None) -> HeaderRow:
    """A row whose three headers differ by one word."""
    limit, remaining, reset = (names.format(word) for word in ("limit", "remaining", "reset"))
    return HeaderRow(unit=unit, per=per, limit=limit, remaining=remaining, reset=reset, read_reset=read_reset)


HEADER_ROWS: Mapping[str, tuple[HeaderRow, ...]] = {
    "groq": (
        _row(Unit.REQUESTS, Period.DAY, "x-ratelimit-{}-requests", _in_duration),
        _row(Unit.TOKENS, Period.MINUTE, "x-ratelimit-{}-tokens", _in_duration),
    ),
    "cerebras": tuple(
        _row(unit, per, f"x-ratelimit-{{}}-{unit}-{per}", _in_seconds)
        for unit in (Unit.REQUESTS, Unit.TOKENS)
        for per in (Period.MINUTE, Period.HOUR, Period.DAY)
    ),
    "mistral": (
        _row(Unit.REQUESTS, Period.MINUTE, "x-ratelimit-{}-req-minute"),
        _row(Unit.TOKENS, Period.MINUTE, "x-ratelimit-{}-tokens-minute"),
    ),
    "openai": (
        _row(Unit.REQUESTS, Period.MINUTE, "x-ratelimit-{}-requests", _in_duration),
        _row(Unit.TOKENS, Period.MINUTE, "x-ratelimit-{}-tokens", _in_duration),
    ),
    "anthropic": (
        _row(Unit.REQUESTS, Period.MINUTE, "anthropic-ratelimit-requests-{}", _at),
        _row(Unit.TOKENS, Period.MINUTE, "anthropic-ratelimit-tokens-{}", _at),
        _row(Unit.INPUT_TOKENS, Period.MINUTE, "anthropic-ratelimit-input-tokens-{}", _at),
        _row(Unit.OUTPUT_TOKENS, Period.MINUTE, "anthropic-ratelimit-output-tokens-{}", _at),
    ),
    "cohere": (
        HeaderRow(Unit.REQUESTS, Period.MINUTE, "x-trial-endpoint-call-limit", "x-trial-endpoint-call-remaining"),
        HeaderRow(Unit.REQUESTS, Period.MONTH, "x-endpoint-monthly-call-limit", "x-endpoint-monthly-call-remaining"),
    ),
}
"""Provider → its windows. A provider without a row tells nothing on success."""


def observed_in_headers(provider_id: str, headers: Mapping[str, str], *, now: datetime) -> tuple[Observed, ...]:
    """The windows that these headers (names in lower case) speak of; what cannot be read counts as not said."""
    found = []
    for row in HEADER_ROWS.get(dialect_of(provider_id), ()):
        limit, remaining = parse_count(headers.get(row.limit)), parse_count(headers.get(row.remaining))
        if limit is None and remaining is None:
            continue
        reset = headers.get(row.reset)
        reset_at = row.read_reset(reset, now) if reset and row.read_reset else None
        found.append(Observed(row.unit, row.per, limit, remaining, reset_at))
    return tuple(found)


def parse_count(text: str | None) -> int | None:
    """A limit or what is left of it: `8000`, `1000.0`; None for anything else (`unlimited`, `-1`)."""
    match = _COUNT.fullmatch(text.strip()) if text else None
    return int(match[1]) if match else None
