"""How a provider counts one window: three kinds of meter, plain and in memory.

A meter never refuses; it answers what was used, and when an amount would fit. Amounts may go above the limit (lenient mode).
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

from pool_worker.registry import Window, WindowKind
from pool_worker.simulator.periods import LENGTH_S, calendar_period

TOLERANCE = 1e-6
"""Less than this is rounding, not an overshoot."""


class Meter(Protocol):
    """Counts one window of one account. Times are seconds since the epoch and do not go back."""

    window: Window

    def used(self, now_s: float) -> float:
        """What counts at this moment."""

    def add(self, amount: float, now_s: float) -> None:
        """Count an amount."""

    def fits_at(self, amount: float, now_s: float) -> float:
        """The first time, from now on, at which the amount fits if nothing else comes; infinity: never."""

    def empty_at(self, now_s: float) -> float:
        """When nothing counts any more."""


class SlidingMeter:
    """What arrived in the last period, exactly: an arrival leaves one whole period after it came."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self._length_s = LENGTH_S[window.per]
        self._arrivals: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def used(self, now_s: float) -> float:
        """What came in the last period."""
        arrivals = self._arrivals
        while arrivals and arrivals[0][0] + self._length_s <= now_s:
            self._sum -= arrivals.popleft()[1]
        if not arrivals:
            self._sum = 0.0
        return self._sum

    def add(self, amount: float, now_s: float) -> None:
        """Count it until a period from now."""
        self._arrivals.append((now_s, amount))
        self._sum += amount

    def fits_at(self, amount: float, now_s: float) -> float:
        """When enough of the oldest arrivals have left."""
        if amount > self.window.limit + TOLERANCE:
            return math.inf
        excess = self.used(now_s) + amount - self.window.limit
        for arrived_s, arrived in self._arrivals:
            if excess <= TOLERANCE:
                break
            excess -= arrived
            now_s = arrived_s + self._length_s
        return now_s

    def empty_at(self, now_s: float) -> float:
        """A period after the newest arrival."""
        self.used(now_s)
        return self._arrivals[-1][0] + self._length_s if self._arrivals else now_s


class RefillMeter:
    """A bucket: what was used drains away at `limit` per period."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self._drain_per_s = window.limit / LENGTH_S[window.per]
        self._used = 0.0
        self._at_s = -math.inf

    def used(self, now_s: float) -> float:
        """What has not drained away yet."""
        if self._used:
            self._used = max(0.0, self._used - (now_s - self._at_s) * self._drain_per_s)
        self._at_s = now_s
        return self._used

    def add(self, amount: float, now_s: float) -> None:
        """Count it until it has drained."""
        self._used = self.used(now_s) + amount

    def fits_at(self, amount: float, now_s: float) -> float:
        """When enough has drained."""
        if amount > self.window.limit + TOLERANCE:
            return math.inf
        return now_s + self._drains_in(self.used(now_s) + amount - self.window.limit)

    def empty_at(self, now_s: float) -> float:
        """When all has drained."""
        return now_s + self._drains_in(self.used(now_s))

    def _drains_in(self, amount: float) -> float:
        if amount <= TOLERANCE:
            return 0.0
        return amount / self._drain_per_s if self._drain_per_s else math.inf


class FixedMeter:
    """What arrived since the calendar period began."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self._ends_s = -math.inf
        self._sum = 0.0

    def used(self, now_s: float) -> float:
        """What came in this calendar period."""
        if now_s >= self._ends_s:
            _, self._ends_s = calendar_period(now_s, per=self.window.per, timezone=self.window.timezone)
            self._sum = 0.0
        return self._sum

    def add(self, amount: float, now_s: float) -> None:
        """Count it until the period ends."""
        self._sum = self.used(now_s) + amount

    def fits_at(self, amount: float, now_s: float) -> float:
        """Now, or when the period ends."""
        if amount > self.window.limit + TOLERANCE:
            return math.inf
        return now_s if self.used(now_s) + amount <= self.window.limit + TOLERANCE else self._ends_s

    def empty_at(self, now_s: float) -> float:
        """When the period ends."""
        return self._ends_s if self.used(now_s) else now_s


METERS: dict[WindowKind, type[SlidingMeter | RefillMeter | FixedMeter]] = {
    WindowKind.SLIDING: SlidingMeter,
    WindowKind.REFILL: RefillMeter,
    WindowKind.FIXED: FixedMeter,
}


def meter_of(window: Window) -> Meter:
    """An empty meter of the window's kind."""
    return METERS[window.kind](window)
