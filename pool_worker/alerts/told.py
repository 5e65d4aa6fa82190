"""Of what people were told, and not yet that it is over."""

from __future__ import annotations

from collections.abc import Iterable

import redis.asyncio

from pool_worker import redis_keys
from pool_worker.many_reads import read_many


async def told(client: redis.asyncio.Redis, causes: Iterable[str]) -> set[str]:
    """Those of these causes.

    Raises:
        redis.RedisError: if Redis cannot be reached.
    """
    asked = list(causes)
    values = await read_many(client, [redis_keys.alert_told(cause) for cause in asked])
    return {cause for cause, value in zip(asked, values, strict=True) if value not in {None, redis_keys.ALERT_OVER}}
