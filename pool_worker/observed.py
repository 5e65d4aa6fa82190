"""What a provider says about its own limits. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pool_worker.registry import Period, Unit


@dataclass(frozen=True, slots=True)
class Observed:
    """The state of one window, in the provider's own words."""

    unit: Unit
    per: Period
    limit: int | None = None
    remaining: int | None = None
    reset_at: datetime | None = None
    """When the window is full again, which is not when the next request may come."""
