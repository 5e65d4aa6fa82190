"""Who is ill: what failed attempts say about keys, models and providers, shared by all workers."""

from __future__ import annotations

from pool_worker.health.blame import blame, reason_of

__all__ = ["blame", "reason_of"]
