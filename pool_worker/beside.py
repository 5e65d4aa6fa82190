"""Work that goes on beside something else, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

STOP_AGAIN_S = 0.1

logger = logging.getLogger(__name__)


@asynccontextmanager
async def running_beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Meanwhile this is done; in the end it is cancelled. What it raises itself is logged at once and raised then."""
    task = asyncio.create_task(work)
    task.add_done_callback(_tell)
    try:
        yield
    finally:
        while not task.done():  # redis-py waits by `asyncio.wait_for`, which on Python 3.11 can swallow a cancellation
            task.cancel()
            await asyncio.wait([task], timeout=STOP_AGAIN_S)
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("what runs beside the jobs has ended before its time", exc_info=error)
