"""Holds: leaving a provider, a model, a key or a quota group alone until a time. They are only ever extended."""

from __future__ import annotations

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.limits.clock import as_argument
from pool_worker.lua import run_script


def provider_scope(provider: str) -> str:
    """Every call to a provider."""
    return f"provider:{provider}"


def model_scope(provider: str, model: str) -> str:
    """Every call of one model (the provider's name for it) of a provider."""
    return f"model:{provider}:{model}"


def key_scope(key_id: str) -> str:
    """Every call with one key."""
    return f"key:{key_id}"


def group_scope(provider: str, group: str, *, model: str = "*") -> str:
    """Every call of a quota group, of one model or (`*`) of any."""
    return f"group:{provider}:{model}:{group}"


async def hold(
    redis: Redis,
    scope: str,
    *,
    reason: str,
    until_ms: int | None = None,
    ttl_ms: int | None = None,
    now_ms: int | None = None,
) -> int:
    """Leave a scope alone until a time (epoch ms of Redis's clock), or for a while from now.

    Returns:
        Until when it is held now: the later of this and what was said before.

    Raises:
        ValueError: unless exactly one of `until_ms` and `ttl_ms` is given.
    """
    if (until_ms is None) == (ttl_ms is None):
        msg = f"hold on {scope}: give either until_ms or ttl_ms, not {until_ms} and {ttl_ms}"
        raise ValueError(msg)
    arguments = ["" if value is None else value for value in (until_ms, ttl_ms)]
    return int(
        await run_script(
            redis,
            __package__,
            "hold",
            keys=[redis_keys.hold(scope)],
            arguments=[*arguments, reason, as_argument(now_ms)],
        )
    )
