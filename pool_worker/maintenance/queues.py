"""Bringing reservations back: leases of dead workers."""

from __future__ import annotations

import logging

from pool_worker.limits.settle import expire
from pool_worker.resources import Resources

EXPIRE_AT_MOST = 500

logger = logging.getLogger(__name__)


async def expire_leases(pool: Resources) -> int:
    """Reservations whose holders never came back are settled at their estimate; returns how many."""
    ended = await expire(pool.redis, limit=EXPIRE_AT_MOST)
    for lease in ended:
        logger.warning("the lease on %s for job %s ended without its worker", lease.key_id, lease.job_id)
    return len(ended)
