"""Two clocks: scripts go by Redis's, but the calendar periods they need are worked out here, by ours."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis


class ClockError(RuntimeError):
    """Redis's clock jumped while it was asked."""


async def ask_with_calendars(ask: Callable[[int], Awaitable[Any]], *, now_ms: int | None = None) -> Any:
    """Ask a script with the calendars of our time, and once more by Redis's clock where it answers that they are not of now.

    Costs the second round trip only while the clocks are on different sides of the start of a period.

    Args:
        ask: sends the script with the calendars that hold at the time (ms) that it is given.
        now_ms: the time, in tests.

    Raises:
        ClockError: if Redis does not agree with its own clock either.
    """
    clock_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    for _ in range(2):
        answer = await ask(clock_ms)
        if not answer or answer[0] != "clock":
            return answer
        clock_ms = answer[1]
    raise ClockError((ClockError.__doc__ or "").strip())


async def redis_now_ms(redis: Redis) -> int:
    """Epoch milliseconds by Redis's clock."""
    seconds, microseconds = await redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def as_argument(now_ms: int | None) -> int | str:
    """A script's last argument."""
    return "" if now_ms is None else now_ms
