"""How long to wait before trying again. No I/O: the random number is passed in."""

from __future__ import annotations

FIRST_PAUSE_S = 2.0
JITTER = 0.25


def pause_s(pauses: int, *, random: float) -> float:
    """Seconds to rest after every candidate failed for the (pauses + 1)th time: 2, 4, 8, … give or take a quarter.

    `random` is from 0 to 1.
    """
    return FIRST_PAUSE_S * 2.0**pauses * (1 - JITTER + 2 * JITTER * random)
