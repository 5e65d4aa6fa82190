"""A model that fits a job, with what the job would take there."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pool_client.job import Usage
from pool_worker.registry import Model


@dataclass(frozen=True, slots=True)
class Choice:
    """One candidate."""

    model: Model
    estimated_cost_usd: Decimal
    estimated_usage: Usage
    score: float | None = None
    """Suitability from 0 to 1; None: it was not asked for (see `pool_worker.routing.suitability`)."""

    @property
    def is_free(self) -> bool:
        """Whether it is known to cost nothing."""
        return self.model.price_known and not self.estimated_cost_usd
