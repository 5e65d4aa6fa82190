"""Reads how the providers and their keys stand: some pipelines of reads, in chunks that keep nobody waiting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from redis.asyncio import Redis

from pool_worker.overview.holds import read_holds
from pool_worker.overview.keys import enrolled_keys, read_key_use
from pool_worker.overview.standing import ProviderStanding, standings
from pool_worker.registry import Registry


@dataclass(frozen=True, slots=True)
class Overview:
    """Every configured provider, as it was at one time."""

    at: datetime
    """By Redis's clock."""
    providers: tuple[ProviderStanding, ...]


async def read_overview(client: Redis, registry: Registry) -> Overview:
    """How the pool that workers with this registry serve stands; its keys are those that the workers enrolled.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    registry = replace(registry, keys=await enrolled_keys(client, registry))
    seconds, _ = await client.time()
    keys, holds = await read_key_use(client, registry), await read_holds(client, registry)
    return Overview(datetime.fromtimestamp(int(seconds), UTC), standings(registry, keys, holds))
