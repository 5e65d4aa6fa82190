"""Bringing jobs and reservations back: parked jobs whose time has come, leases of dead workers."""

from __future__ import annotations

import logging

from pool_worker.limits.settle import expire
from pool_worker.resources import Resources

RELEASE_AT_MOST = 50
"""Parked jobs per tick: when a window opens they come back one handful after the other, not all at once."""
EXPIRE_AT_MOST = 500

logger = logging.getLogger(__name__)


async def release_due_jobs(pool: Resources) -> int:
    """Parked jobs whose time has come go back to the heads of their queues; returns how many."""
    return await pool.jobs.release_due(limit=RELEASE_AT_MOST)


async def expire_leases(pool: Resources) -> int:
    """Reservations whose holders never came back are settled at their estimate; returns how many."""
    ended = await expire(pool.redis, limit=EXPIRE_AT_MOST)
    for lease in ended:
        logger.warning("the lease on %s for job %s ended without its worker", lease.key_id, lease.job_id)
    return len(ended)
