"""Who is ill: what failed attempts say about keys, models and providers, shared by all workers."""

from __future__ import annotations

from pool_worker.health.blame import blame, reason_of
from pool_worker.health.matters import tell_well
from pool_worker.health.scores import well

__all__ = ["blame", "reason_of", "tell_well", "well"]
