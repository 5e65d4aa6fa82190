"""What a person tells all workers, kept in Redis: which models not to use, and how often to read configuration and keys again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import redis
import redis.asyncio

from pool_worker import redis_keys


@dataclass(frozen=True, slots=True)
class Orders:
    """What holds now."""

    disabled: Mapping[str, str] = field(default_factory=dict)
    """Model id → the reason given ("" = none)."""
    reloads: int = 0
    """How often a reload was asked for."""
    key_changes: int = 0
    """How often API keys have changed in the vault."""


async def read_orders(client: redis.asyncio.Redis) -> Orders:
    """Reads that travel together.

    Raises:
        redis.RedisError: if Redis cannot be reached.
    """
    disabled, counts = await asyncio.gather(
        client.hgetall(redis_keys.DISABLED_MODELS), client.mget(redis_keys.RELOADS, redis_keys.KEY_CHANGES)
    )
    reloads, key_changes = (int(count or 0) for count in counts)
    return Orders(cast("dict[str, str]", disabled), reloads, key_changes)


def read_disabled(client: redis.Redis) -> Mapping[str, str]:
    """Model id → the reason given ("" = none). Raises as `read_orders` does."""
    return cast("dict[str, str]", client.hgetall(redis_keys.DISABLED_MODELS))


def disable_model(client: redis.Redis, model_id: str, *, reason: str | None = None) -> str | None:
    """Keep all workers from choosing a model. No reason leaves one that was given earlier.

    Returns:
        The reason for which it was disabled before ("" = none); None: it was not.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    with client.pipeline(transaction=True) as pipe:
        pipe.hget(redis_keys.DISABLED_MODELS, model_id)
        if reason is None:
            pipe.hsetnx(redis_keys.DISABLED_MODELS, model_id, "")
        else:
            pipe.hset(redis_keys.DISABLED_MODELS, model_id, reason)
        before, _ = pipe.execute()
    return cast("str | None", before)


def enable_model(client: redis.Redis, model_id: str) -> bool:
    """Undo `disable_model`; returns whether it was disabled. Raises as that does."""
    return client.hdel(redis_keys.DISABLED_MODELS, model_id) == 1


async def order_reload(client: redis.asyncio.Redis) -> int:
    """Have all workers read their configuration files again; returns the number under which they tell what came of it.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    return int(await client.incr(redis_keys.RELOADS))


async def order_keys(client: redis.asyncio.Redis) -> int:
    """Have all workers read their keys again, for some have changed in the vault; returns the number of this change.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    return int(await client.incr(redis_keys.KEY_CHANGES))
