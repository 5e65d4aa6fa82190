"""How a provider counts, what it tells, and how much the limiter may make of that: written down independently of it, as lists."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

MINUTE_MS = 60_000


@dataclass(frozen=True)
class Entry:
    """Something that was counted."""

    at_ms: int
    amount: float
    step: int
    """When it was decided: in which step its lease was taken, or the provider told of it. In a step there is no order."""


@dataclass
class Book:
    """One window of one account: at most `limit` in a minute of its kind."""

    kind: str
    limit: int
    ours: list[Entry] = field(default_factory=list)
    """The calls of this pool, when the provider charges them; some of it will be."""
    others: list[Entry] = field(default_factory=list)
    """Calls of somebody else, who uses the account too."""
    told: list[Entry] = field(default_factory=list)
    """What the limiter must have made out to be somebody else's from what the provider told."""

    def used(self, at_ms: int) -> int:
        """What the provider counts, rounded up."""
        return self._count([*self.ours, *self.others], at_ms)

    def left(self, at_ms: int) -> int:
        """What the provider tells of that."""
        return max(0, self.limit - self.used(at_ms))

    def least(self, at_ms: int) -> int:
        """What the limiter must count at least: what the provider charged our calls, and what it told of others."""
        return self._count([*self.ours, *self.told], at_ms)

    def _count(self, entries: list[Entry], at_ms: int) -> int:
        known = sorted((it for it in entries if it.at_ms <= at_ms), key=lambda it: it.at_ms)
        if self.kind == "refill":
            return self._owed(known, at_ms)
        first_ms = self.first_ms(at_ms)
        return math.ceil(sum(it.amount for it in known if it.at_ms >= first_ms))

    def _owed(self, entries: list[Entry], at_ms: int) -> int:
        level, before_ms = 0.0, 0
        for it in entries:
            level = max(0.0, level - (it.at_ms - before_ms) * self.limit / MINUTE_MS) + it.amount
            before_ms = it.at_ms
        return math.ceil(max(0.0, level - (at_ms - before_ms) * self.limit / MINUTE_MS) - 1e-6)

    def first_ms(self, at_ms: int) -> int:
        """The first time that is in the same window."""
        return at_ms - at_ms % MINUTE_MS if self.kind == "fixed" else at_ms - MINUTE_MS + 1

    def _spans(self, from_ms: int) -> Iterator[tuple[int, int, float]]:
        """Every span that ends with a call of ours at `from_ms` or later: first and last moment, and what is allowed in it."""
        starts = {it.at_ms for it in (*self.ours, *self.told) if it.at_ms > from_ms - 3 * MINUTE_MS}
        for last_ms in {it.at_ms for it in self.ours if it.at_ms >= from_ms}:
            if self.kind == "refill":
                yield from ((at, last_ms, self.limit * (1 + (last_ms - at) / MINUTE_MS)) for at in starts if at <= last_ms)
            else:
                yield self.first_ms(last_ms), last_ms, self.limit

    def check(self, from_ms: int) -> None:
        """Never more than the limit, in no order of what happened in one step.

        What others used counts against whoever of ours was admitted after the provider told of it.
        """
        recent = [it for it in self.ours if it.at_ms > from_ms - 4 * MINUTE_MS]
        for first_ms, last_ms, allowed in self._spans(from_ms):
            ours = [it for it in recent if first_ms <= it.at_ms <= last_ms]
            newest = max(it.step for it in ours)
            told = [it for it in self.told if first_ms <= it.at_ms <= last_ms and it.step < newest]
            total = sum(it.amount for it in ours) + sum(it.amount for it in told)
            assert total <= allowed + 1e-6, f"{self.kind}: {total} in {first_ms}..{last_ms}: {ours} {told}"
