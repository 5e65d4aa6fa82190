"""`--since`: from when on something is asked for."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

_AGO = re.compile(r"(?P<number>\d{1,6})\s?(?P<unit>[mhdw])", re.IGNORECASE)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
RIGHT = "write e.g. 90m, 24h, 7d, 2w, or a day such as 2026-11-01"


def parse_since(text: str, *, now: datetime) -> datetime:
    """The moment (UTC) that a text means: so long ago, or a day (of UTC) or time in ISO 8601.

    Raises:
        typer.BadParameter: if it means none, or one that has not come yet.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return _ago(ago, text, now=now)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise _wrong(text, "is no time") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if at > now:
        raise _wrong(text, "is in the future")
    return at


def _ago(ago: re.Match[str], text: str, *, now: datetime) -> datetime:
    try:
        return now - int(ago["number"]) * _UNITS[ago["unit"].lower()]
    except OverflowError:
        raise _wrong(text, "is before the first year") from None


def _wrong(text: str, problem: str) -> typer.BadParameter:
    return typer.BadParameter(f'"{text}" {problem}; {RIGHT}', param_hint="--since")
