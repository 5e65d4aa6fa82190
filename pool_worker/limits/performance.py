"""How well each model has answered of late: how many of its calls failed, and how long the others took. No I/O.

Kept in Redis by the step that ends a call's lease (`lua/performance.lua`), read by every worker from time to time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pool_worker.errors import AttemptError, Scope

ENOUGH_CALLS = 20
"""Before so many calls of a kind were seen, nothing is said about them."""
GENERATION_S = 3600
"""As in `lua/performance.lua`: what was seen in the generation before the last is forgotten."""

BUCKETS_PER_OCTAVE = 4
"""A latency is known to within a tenth."""
_CALLS, _FAILURES, _BUCKETS = range(3)
"""Cells of a generation: all its calls, those that failed, and from here those that took so long."""
CELLS = 90
"""22 octaves of milliseconds are more than an hour, the longest lease."""
_SINCE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """What one call adds: one more in a cell of its model."""

    model_id: str
    cell: int


@dataclass(frozen=True, slots=True)
class ModelPerformance:
    """Of one model's last calls: at least the last 100 if there were so many within an hour, never those of two hours ago."""

    success_rate: float
    """0 to 1."""
    median_ms: float | None = None
    """Of the calls that were answered; None: too few were."""
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Performance:
    """By model id; those of which too little was seen are not there."""

    models: Mapping[str, ModelPerformance] = field(default_factory=dict)

    def success_rate(self, model_id: str) -> float | None:
        """Share of the calls that did not fail by the model's or its provider's fault; None: nobody knows."""
        known = self.models.get(model_id)
        return None if known is None else known.success_rate

    def median_ms(self, model_id: str) -> float | None:
        """Half of the answers took no longer; None: nobody knows."""
        known = self.models.get(model_id)
        return None if known is None else known.median_ms

    def p95_ms(self, model_id: str) -> float | None:
        """Nineteen of twenty answers took no longer; None: nobody knows."""
        known = self.models.get(model_id)
        return None if known is None else known.p95_ms


def answered(model_id: str, *, latency_ms: float) -> Seen:
    """A call that was answered after so long."""
    bucket = math.floor(BUCKETS_PER_OCTAVE * math.log2(max(1.0, latency_ms)))
    return Seen(model_id, min(_BUCKETS + bucket, CELLS - 1))


def failed(model_id: str, error: AttemptError) -> Seen | None:
    """A call that failed; None where it was not by the model's or its provider's fault: a spent quota, a refused key, us."""
    return Seen(model_id, _FAILURES) if error.scope in {Scope.MODEL, Scope.PROVIDER} else None


def performance_of(entries: Mapping[str, str], *, now: datetime) -> Performance:
    """What is kept in Redis (model id → cells), in figures; an entry that this release cannot read counts as none."""
    found = {model_id: _of_model(entry, now_s=now.timestamp()) for model_id, entry in entries.items()}
    return Performance({model_id: known for model_id, known in found.items() if known is not None})


def _of_model(entry: str, *, now_s: float) -> ModelPerformance | None:
    if len(entry) != _SINCE_DIGITS + 2 * CELLS or now_s - int(entry[:_SINCE_DIGITS], 16) >= 2 * GENERATION_S:
        return None
    cells = entry[_SINCE_DIGITS:].encode()
    together = [of_this + before for of_this, before in zip(cells[:CELLS], cells[CELLS:], strict=True)]
    calls, failures, *buckets = together
    if calls < ENOUGH_CALLS:
        return None
    return ModelPerformance(1 - failures / calls, quantile_ms(buckets, 0.5), quantile_ms(buckets, 0.95))


def quantile_ms(buckets: Sequence[int], share: float) -> float | None:
    """The latency that this share of the answers did not exceed: the middle of its bucket; None if there were too few answers."""
    answers = sum(buckets)
    if answers < ENOUGH_CALLS:
        return None
    rank = math.ceil(share * answers)
    bucket = next(bucket for bucket, so_far in enumerate(_sums(buckets)) if so_far >= rank)
    return round(2 ** ((bucket + 0.5) / BUCKETS_PER_OCTAVE), 1)


def _sums(counts: Sequence[int]) -> Iterator[int]:
    so_far = 0
    for count in counts:
        so_far += count
        yield so_far
