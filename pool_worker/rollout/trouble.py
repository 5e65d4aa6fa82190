"""Telling that a worker keeps its configuration because the files that it was to take have mistakes; and that this is over."""

from __future__ import annotations

import logging
from datetime import datetime

import redis.asyncio

from pool_client.errors import ConfigurationError
from pool_worker.alerts import resolve, tell
from pool_worker.rollout.presence import Presence

_SOURCE = "configuration"

logger = logging.getLogger(__name__)


async def tell_trouble(
    client: redis.asyncio.Redis, error: ConfigurationError, *, worker: str, reloads: int, now: datetime
) -> None:
    """Each mistake in this worker's log, and one alert for all workers that find mistakes in the same reload.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    for mistake in str(error).splitlines():
        logger.error("the configuration is kept as it was: %s", mistake)
    await tell(
        client,
        severity="critical",
        source=_SOURCE,
        title="The configuration was not taken: it has mistakes",
        message=f"{worker} keeps the one it has. Mend these, then `model-pool models reload`:\n{error}",
        cause=_cause(reloads),
        now=now,
    )


async def tell_over(client: redis.asyncio.Redis, was: Presence, *, now: datetime) -> None:
    """The worker that had this trouble has taken the configuration now. Raises as `tell_trouble` does."""
    await resolve(
        client,
        source=_SOURCE,
        title="The configuration was taken",
        message=f"{was.name} has read it again and found no mistake",
        cause=_cause(was.reloads),
        now=now,
    )


def _cause(reloads: int) -> str:
    return f"configuration:{reloads}"
