"""Reading any number of strings, without keeping Redis from others for long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from redis.asyncio import Redis

AT_ONCE = 2000
"""So many are read in one command, which takes about a millisecond."""


async def read_many(client: Redis, names: Sequence[str]) -> list[str | None]:
    """The values at these redis keys, in their order; None where there is none. None are asked for: Redis is not asked.

    Raises:
        redis.RedisError: if Redis cannot be reached.
    """
    values: list[str | None] = []
    for start in range(0, len(names), AT_ONCE):
        values += cast("list[str | None]", await client.mget(names[start : start + AT_ONCE]))
    return values
