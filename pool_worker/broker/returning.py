"""Bringing parked jobs back: every worker looks when the next may go, so that neither beat nor any one worker is needed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import AbstractAsyncContextManager

import redis

from pool_worker.beside import running_beside
from pool_worker.broker.jobs import Jobs

TRY_AGAIN_S = 1.0

logger = logging.getLogger(__name__)


def bringing_back(jobs: Jobs) -> AbstractAsyncContextManager[None]:
    """Meanwhile parked jobs come back, here or by another worker."""
    return running_beside(_bring_back(jobs))


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
