"""Once a day: the summaries of days whose rows came late, and the end of rows that are older than `retention` says."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import UTC, timedelta

from pool_worker import redis_keys
from pool_worker.ledger.pruning import Pruned, oldest_kept, prune
from pool_worker.ledger.summaries import start_of, summarize_day
from pool_worker.maintenance.clerk import Clerk
from pool_worker.resources import Resources

LATE_DAYS = 7
"""So long after its day a row may come and be in its summary: beat or the database were away."""
_PRUNER = Clerk("pruning the ledger")
"""Of this process."""

logger = logging.getLogger(__name__)


async def prune_ledger(pool: Resources) -> int:
    """Do it, unless it was done on this UTC day or somebody is at it; returns how many rows were deleted.

    While the database is away it is not done, and the next tick tries again; so it does an hour after a worker died over it.
    """
    done = redis_keys.pruned(pool.now().astimezone(UTC).date())
    if not await pool.redis.set(done, "1", nx=True, px=redis_keys.PRUNING_TTL_MS):
        return 0
    deleted: list[Pruned] = []

    def work() -> int:
        deleted.append(_tidy(pool))
        return 1

    if not await _PRUNER.do(work):
        await pool.redis.delete(done)
        return 0
    await pool.redis.set(done, "1", px=redis_keys.PRUNED_TTL_MS)
    (pruned,) = deleted
    if pruned.total:
        logger.info(
            "the ledger was pruned of old rows: %s", ", ".join(f"{count:,} {kind}" for kind, count in asdict(pruned).items())
        )
    return pruned.total


def _tidy(pool: Resources) -> Pruned:
    now, retention = pool.now(), pool.registry.rules.retention
    today = now.astimezone(UTC).date()
    for days in range(2, LATE_DAYS + 1):  # today and yesterday are summed up every minute
        day = today - timedelta(days=days)
        if start_of(day) >= oldest_kept(retention.attempts_days, now=now):
            summarize_day(pool.books.engine, day)
    return prune(pool.books.engine, retention, now=now)
