"""One call for all who ask the same at the same time: the first one leads, the others wait until it has landed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.lua import run_script

LONGEST_MS = 60_000
"""After so long nobody waits for a leader any more: its worker may be dead. Two calls are better than none."""
LOOK_AGAIN_S = 1.0
"""So soon one looks again whose leader's landing was not heard of."""


class Flights:
    """The questions for whose answers the jobs of one worker process wait."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._landed: dict[str, asyncio.Event] = {}

    async def leads(self, flight: str, job_id: str, *, on_wait: Callable[[], None]) -> bool:
        """Whether this job is to ask; if not, another one did, and has landed, or a moment has passed: look again.

        `on_wait` is called if another one asks.
        """
        landed = self._landed.setdefault(flight, asyncio.Event())  # before we ask: it may land at any time
        name = redis_keys.flight(flight)
        leader = await self._redis.set(name, job_id, nx=True, get=True, px=LONGEST_MS)
        try:
            if leader in {None, job_id}:
                return True
            on_wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await landed.wait()
            return False
        finally:
            self._landed.pop(flight, None)

    async def land(self, flight: str, job_id: str) -> None:
        """The leader has its answer, or will not have one: the others are to look again, on all workers."""
        arguments = [job_id, redis_keys.LANDINGS, flight]
        await run_script(self._redis, __package__, "land", keys=[redis_keys.flight(flight)], arguments=arguments)

    def heard(self, flight: str) -> None:
        """It was told that a flight has landed."""
        if landed := self._landed.pop(flight, None):
            landed.set()
