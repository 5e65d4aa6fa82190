"""How well each candidate suits a job, from 0 to 1. Pure.

30 % what it can do, 25 % what it costs, 25 % how well it has answered of late, 20 % whether its provider can be called now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from pool_worker.limits.performance import ModelPerformance, Performance
from pool_worker.registry import Model
from pool_worker.routing.needs import Capability

CAPABILITY, COST, PERFORMANCE, AVAILABILITY = 0.30, 0.25, 0.25, 0.20

UNKNOWN = 0.5
"""In place of what too few calls have told: before those that are known to be bad, behind those that are known to be good.

What the good have no quota for comes here, and makes it known.
"""


def scores(
    candidates: Sequence[tuple[Model, Decimal]],
    *,
    asked: Sequence[Capability],
    max_cost_usd: Decimal | None,
    performance: Performance,
    availability: Mapping[str, float],
) -> list[float]:
    """The score of each candidate, which compares it with the others; costs about a microsecond for each.

    Args:
        candidates: The models that fit one job, with what it is estimated to cost there.
        asked: What the job needs, and what its task type prefers.
        max_cost_usd: The most that the job may cost; None: the dearest candidate is the measure.
        performance: How well models have answered of late.
        availability: Provider id → 0 to 1; who is not there is well (1).
    """
    dearest_usd = max_cost_usd or max((cost_usd for _, cost_usd in candidates), default=Decimal(0))
    seen = [performance.models.get(model.id) for model, _ in candidates]
    fastest_ms = min((each.median_ms for each in seen if each and each.median_ms), default=None)
    return [
        CAPABILITY * (capability_share(model.capabilities, asked) if asked else 1.0)
        + COST * (cost_share(cost_usd, dearest_usd) if model.price_known else 0.0)
        + PERFORMANCE * (performance_share(known, fastest_ms) if known else UNKNOWN)
        + AVAILABILITY * availability.get(model.provider, 1.0)
        for (model, cost_usd), known in zip(candidates, seen, strict=True)
    ]


def capability_share(capabilities: frozenset[str], asked: Sequence[Capability]) -> float:
    """Share of what is asked for that a model can do; 1 if nothing is."""
    able = 0
    for each in asked:
        able += each.is_among(capabilities)
    return able / len(asked) if asked else 1.0


def cost_share(cost_usd: Decimal, dearest_usd: Decimal) -> float:
    """1: it costs nothing; 0: as much as the measure."""
    return max(0.0, 1.0 - float(cost_usd / dearest_usd)) if cost_usd else 1.0


def performance_share(known: ModelPerformance, fastest_ms: float | None) -> float:
    """How soon it brings an answer, as a share of how soon the fastest candidate that is known does.

    A call that fails has to be made again, so a model that answers every second call takes twice as long.
    """
    speed = UNKNOWN if known.median_ms is None or fastest_ms is None else fastest_ms / known.median_ms
    return known.success_rate * speed
