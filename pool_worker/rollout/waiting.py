"""Waiting until the workers have done what they were told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import redis.asyncio

from pool_worker.rollout.presence import Presence, read_presences

WAIT_S = 8.0
"""Workers look every two seconds, and need less than one to read."""
LOOK_EVERY_S = 0.1


async def wait_for_workers(client: redis.asyncio.Redis, has_done: Callable[[Presence], bool]) -> Sequence[Presence]:
    """The workers that run, when all have done it, or when waiting for them was over.

    Raises:
        redis.RedisError: if Redis cannot be reached.
    """
    until = time.monotonic() + WAIT_S
    while True:
        workers = await read_presences(client)
        if all(map(has_done, workers)) or time.monotonic() > until:
            return workers
        await asyncio.sleep(LOOK_EVERY_S)
