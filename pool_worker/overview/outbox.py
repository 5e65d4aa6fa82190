"""What waits for the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from redis.asyncio import Redis

from pool_worker import redis_keys


@dataclass(frozen=True, slots=True)
class OutboxDepth:
    """Rows on their way to the ledger."""

    rows: int
    lag_s: float
    """For how long the oldest one has waited, by Redis's clock; 0: none waits."""


async def read_outbox(client: Redis) -> OutboxDepth:
    """One round trip.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    async with client.pipeline(transaction=False) as pipe:
        pipe.xlen(redis_keys.OUTBOX)
        pipe.xrange(redis_keys.OUTBOX, count=1)
        pipe.time()
        rows, oldest, (seconds, microseconds) = await pipe.execute()
    if not oldest:
        return OutboxDepth(rows, 0.0)
    written_ms = int(str(oldest[0][0]).partition("-")[0])  # its id begins with the time of its arrival
    return OutboxDepth(rows, max(0.0, seconds + microseconds / 1e6 - written_ms / 1000))
