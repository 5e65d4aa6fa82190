"""When a second call is worth while beside one that is slow: for critical jobs, where pool.yaml allows it, and not often.

The call that loses is broken off, and counts as if it had used what was estimated: the provider may have done all of it. So
there are bounds: only a share of the critical calls may be hedged, and none before it has taken longer than nineteen of twenty.
"""

from __future__ import annotations

from pool_client.job import Job, Priority
from pool_worker.completion.capacity import Leased
from pool_worker.resources import Resources

MOST_SAVED = 10.0
"""Hedges that were not needed may be made later, but no more than so many at once."""


def hedge_after_s(job: Job, leased: Leased, pool: Resources) -> float | None:
    """After how many seconds without an answer another provider is asked as well; None: never.

    A stream is never hedged: its reader would see two answers.
    """
    rules = pool.registry.rules.hedging
    if not rules.enabled or job.priority is not Priority.CRITICAL or job.stream:
        return None
    pool.hedges_saved = min(MOST_SAVED, pool.hedges_saved + float(rules.max_share))
    p95_ms = pool.outlook.performance.p95_ms(leased.lease.candidate.model.id)
    return None if p95_ms is None else p95_ms / 1000


def take_hedge(pool: Resources) -> bool:
    """Whether one more call may be hedged now; it then counts."""
    if pool.hedges_saved < 1:
        return False
    pool.hedges_saved -= 1
    return True
