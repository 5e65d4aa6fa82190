"""Sums and histograms of one process. Adding costs as much as a dictionary does, for it is done several times for every job.

Only one thread adds (the worker's loop), so there is no lock. Any thread may read: a copy is made in one step.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counter:
    """A sum that only grows, for each combination of labels."""

    name: str
    """Ends in `_total`, as Prometheus wants it."""
    help: str
    labels: Labels
    _sums: defaultdict[Labels, float] = field(default_factory=lambda: defaultdict(float), repr=False)

    def add(self, *labels: str, amount: float = 1) -> None:
        """Add to the sum of these labels' values, which are in the order of `labels`."""
        self._sums[labels] += amount

    def read(self) -> Mapping[Labels, float]:
        """Label values → sum."""
        return dict(self._sums)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a histogram has seen for one combination of labels."""

    up_to: tuple[int, ...]
    """For each of its bounds, how many values were not above it; last, how many there were."""
    total: float
    """Their sum."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values were not above each of some bounds, for each combination of labels."""

    name: str
    """Ends in its unit."""
    help: str
    labels: Labels
    bounds: tuple[float, ...]
    """Ascending."""
    _cells: dict[Labels, list[float]] = field(default_factory=dict, repr=False)
    """For each bound how many values were between it and the one before, then how many were above all, then the sum."""

    def observe(self, value: float, *labels: str) -> None:
        """Count a value under these labels' values, which are in the order of `labels`."""
        cells = self._cells.get(labels)
        if cells is None:
            cells = self._cells[labels] = [0] * (len(self.bounds) + 2)
        cells[bisect_left(self.bounds, value)] += 1
        cells[-1] += value

    def read(self) -> Mapping[Labels, Observed]:
        """Label values → what was seen."""
        copies = {labels: list(cells) for labels, cells in self._cells.copy().items()}
        return {labels: Observed(tuple(map(int, accumulate(cells[:-1]))), cells[-1]) for labels, cells in copies.items()}
