"""How a provider counts, written down independently of the limiter: a list of charges, looked at afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MINUTE_MS = 60_000


@dataclass
class ProviderSide:
    """All charges of one window of one account: (time, amount)."""

    kind: str
    limit: int
    charges: list[tuple[int, int]] = field(default_factory=list)

    def worst(self) -> float:
        """The largest amount that was ever in the window."""
        return max(_WORST[self.kind](sorted(self.charges), self.limit), default=0)


def _sliding(charges: list[tuple[int, int]], limit: int) -> list[float]:
    return [sum(amount for at, amount in charges if time - MINUTE_MS < at <= time) for time, _ in charges]


def _fixed(charges: list[tuple[int, int]], limit: int) -> list[float]:
    return [sum(amount for at, amount in charges if at // MINUTE_MS == time // MINUTE_MS) for time, _ in charges]


def _refill(charges: list[tuple[int, int]], limit: int) -> list[float]:
    levels = []
    level, before = 0.0, 0
    for time, amount in charges:
        level = max(0.0, level - (time - before) * limit / MINUTE_MS) + amount
        before = time
        levels.append(level)
    return levels


_WORST: dict[str, Callable[[list[tuple[int, int]], int], list[float]]] = {"sliding": _sliding, "fixed": _fixed, "refill": _refill}
