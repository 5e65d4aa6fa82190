"""Bringing parked jobs back: every worker looks when the next may go, so that neither beat nor any one worker is needed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis

from pool_worker.broker.jobs import Jobs

TRY_AGAIN_S = 1.0
STOP_AGAIN_S = 0.1

logger = logging.getLogger(__name__)


@asynccontextmanager
async def bringing_back(jobs: Jobs) -> AsyncIterator[None]:
    """Meanwhile parked jobs come back, here or by another worker."""
    task = asyncio.create_task(_bring_back(jobs))
    try:
        yield
    finally:
        while not task.done():  # redis-py waits by `asyncio.wait_for`, which on Python 3.11 can swallow a cancellation
            task.cancel()
            await asyncio.wait([task], timeout=STOP_AGAIN_S)


async def _bring_back(jobs: Jobs) -> None:
    while True:
        jobs.earlier.clear()
        try:
            _, wait_s = await jobs.release_due()
        except redis.RedisError as error:
            logger.warning("parked jobs cannot be brought back, trying again: %s", error)
            wait_s = TRY_AGAIN_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await jobs.earlier.wait()
