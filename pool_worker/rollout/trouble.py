"""Telling that a worker keeps its configuration because the files that it was to take have mistakes; and that this is over."""

from __future__ import annotations

import logging
from datetime import datetime

import redis.asyncio

from pool_client.errors import ConfigurationError
from pool_worker.alerts import Matter
from pool_worker.rollout.presence import Presence

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
    await _not_taken(worker, reloads, mistakes=str(error)).begins(client, now=now)


async def tell_over(client: redis.asyncio.Redis, was: Presence, *, now: datetime) -> None:
    """The worker that had this trouble has taken the configuration now. Raises as `tell_trouble` does."""
    await _not_taken(was.name, was.reloads).ends(client, now=now)


def _not_taken(worker: str, reloads: int, *, mistakes: str = "") -> Matter:
    return Matter(
        cause=f"configuration:{reloads}",
        source="configuration",
        severity="critical",
        title="The configuration was not taken: it has mistakes",
        message=f"{worker} keeps the one it has. Mend these, then `model-pool models reload`:\n{mistakes}",
        over_title="The configuration was taken",
        over_message=f"{worker} has read it again and found no mistake",
    )
