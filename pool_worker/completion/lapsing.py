"""Calls whose workers never came back: their leases end at the estimate, and so does their account in the books."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from redis.asyncio import Redis

from pool_client import redis_keys as shared_keys
from pool_client.job import Attempt, Job
from pool_worker.completion.estimates import estimate_usage
from pool_worker.errors import AbandonedError
from pool_worker.ledger.rows import Entry, attempt_row
from pool_worker.limits.settle import Lapsed, expire, find_lapsed
from pool_worker.registry import Registry

LEASES_AT_ONCE = 500
"""So that nobody else waits long for Redis; beat asks again in seconds."""
REASON = "its worker died, or was cut off, during the call; usage and cost are estimates"

logger = logging.getLogger(__name__)


async def end_lapsed(redis: Redis, registry: Registry, *, now_ms: int | None = None) -> int:
    """End the leases whose deadline has passed, and book a call for each; returns how many ended.

    A worker that was only cut off may still tell the books of the same call, under the same id: what it knows then counts.
    """
    leases = await find_lapsed(redis, limit=LEASES_AT_ONCE, now_ms=now_ms)
    async with redis.pipeline(transaction=False) as pipe:
        for lease in leases:
            pipe.hmget(shared_keys.job(lease.job_id), ["spec", "trail", "queue"])
        records = await pipe.execute()
    told = ((lease.lease_id, _row(registry, lease, *record)) for lease, record in zip(leases, records, strict=True))
    ended = set(await expire(redis, leases, rows={lease_id: row for lease_id, row in told if row}, now_ms=now_ms))
    for lease in leases:
        if lease.lease_id in ended:
            about = {"job_id": lease.job_id}
            logger.warning("the lease on %s for job %s ended without its worker", lease.key_id, lease.job_id, extra=about)
    return len(ended)


def _row(registry: Registry, lease: Lapsed, spec: str | None, trail: str | None, queue: str | None) -> Entry | None:
    """The call's row; None if its job or its model is not known any more, or cannot be read: the lease ends all the same."""
    model = registry.models.get(lease.model_id)
    if model is None:
        return None
    try:
        job = Job.model_validate_json(spec or "")
        usage = estimate_usage(job, model)
        attempt = Attempt(
            id=lease.lease_id,
            number=len(json.loads(trail or "[]")) + 1,
            outcome=AbandonedError.__name__,
            provider=model.provider,
            model_id=model.id,
            key_id=lease.key_id,
            queue=queue or "",
            reason=REASON,
            started_at=datetime.fromtimestamp(lease.acquired_ms / 1000, UTC),
            usage=usage,
            cost_usd=model.price.cost_usd(usage),
        )
    except ValueError:
        return None
    return attempt_row(job, attempt).to_entry()
