"""The simulator's time: real, accelerated, or moved by hand."""

from __future__ import annotations

import time
from collections.abc import Callable


class SimulatedClock:
    """Seconds since the epoch, `speed` simulated seconds per real one, starting at the real time (or `start_s`).

    Speed 0 stands still until `advance`.
    """

    def __init__(self, *, speed: float = 1.0, start_s: float | None = None, real: Callable[[], float] = time.time) -> None:
        if speed < 0:
            msg = f"speed: {speed} must be 0 or more simulated seconds per real second"
            raise ValueError(msg)
        self.speed = speed
        self._real = real
        self._began_s = real()
        self._start_s = self._began_s if start_s is None else start_s

    def __call__(self) -> float:
        """Simulated seconds since the epoch."""
        return self._start_s + (self._real() - self._began_s) * self.speed

    def advance(self, seconds: float) -> None:
        """Jump ahead by simulated seconds."""
        self._start_s += seconds
