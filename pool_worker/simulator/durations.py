"""Durations as providers write them."""

from __future__ import annotations

import math


def go_duration(seconds: float) -> str:
    """Go's `time.Duration.String()`, rounded up to the millisecond: `194ms`, `7.66s`, `2m59.56s`, `1h53m56.832s`."""
    milliseconds = math.ceil(round(seconds * 1000, 3))
    if milliseconds <= 0:
        return "0s"
    if milliseconds < 1000:  # noqa: PLR2004 - below a second Go writes milliseconds
        return f"{milliseconds}ms"
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    rest = f"{milliseconds / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{rest}"
    return f"{minutes}m{rest}" if minutes else rest


def whole_seconds(seconds: float) -> str:
    """For `retry-after`: rounded up, at least 1."""
    return str(max(1, math.ceil(round(seconds, 3))))
