"""Parked jobs, by what they wait for."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from redis.asyncio import Redis

from pool_client import redis_keys as shared_keys
from pool_worker import redis_keys
from pool_worker.cli.status.facts import Parked, Wait

EXPLAINED = 500
"""Of so many jobs, those due first, the reasons are read."""
NO_REASON = "no reason given"


async def read_parked(client: Redis) -> Parked:
    """All of them, however many, in two round trips."""
    async with client.pipeline(transaction=False) as pipe:
        pipe.zcard(redis_keys.PARKED)
        pipe.zrange(redis_keys.PARKED, 0, EXPLAINED - 1, withscores=True)
        pipe.zrange(redis_keys.PARKED, -1, -1, withscores=True)
        jobs, first, last = await pipe.execute()
    if not first or not last:
        return Parked()
    async with client.pipeline(transaction=False) as pipe:
        for job_id, _ in first:
            pipe.hget(shared_keys.job(job_id), "wait_reason")
        reasons = await pipe.execute()
    due: defaultdict[str, list[datetime]] = defaultdict(list)
    for (_, due_ms), reason in zip(first, reasons, strict=True):
        due[_without_key(reason or NO_REASON)].append(_at(due_ms))
    waits = tuple(Wait(reason, len(times), min(times), max(times)) for reason, times in due.items())
    return Parked(jobs, _at(first[0][1]), _at(last[0][1]), waits, explained=len(first))


def _without_key(reason: str) -> str:
    """`groq#3: requests per minute` for whichever key of groq is free first: jobs behind each other wait for the same thing."""
    who, colon, what = reason.partition(": ")
    return f"{who.partition('#')[0]}{colon}{what}"


def _at(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
