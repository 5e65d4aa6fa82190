"""Providers on probation: after failures they may be called again, and no answer has shown yet that they are well."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.alerts import told
from pool_worker.health.matters import down
from pool_worker.health.scores import read_shares
from pool_worker.limits.holds import provider_scope
from pool_worker.registry import Registry


@dataclass(frozen=True, slots=True)
class Probation:
    """One provider that is not left alone (any more)."""

    provider: str
    down_since: datetime | None
    """When people were told that it is down; None: they were not, or it is over."""
    share: float
    """Of the calls that it would get if it were well, it gets so many."""


async def read_probations(client: Redis, registry: Registry, *, held: Collection[str]) -> tuple[Probation, ...]:
    """In the registry's order. `held`: the scopes that are left alone now. Changes nothing.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    scopes = {name: provider_scope(name) for name in registry.providers if provider_scope(name) not in held}
    shares = await read_shares(client, list(scopes.values()))
    since = await _down_since(client, list(scopes))
    return tuple(
        Probation(name, since.get(name), shares.get(scope, 1.0))
        for name, scope in scopes.items()
        if name in since or scope in shares
    )


async def _down_since(client: Redis, providers: list[str]) -> dict[str, datetime]:
    causes = {down(name).cause: name for name in providers}
    known = sorted(await told(client, causes))
    if not known:
        return {}
    times = await client.zmscore(redis_keys.ALERTS_OPEN, known)
    return {causes[cause]: datetime.fromtimestamp(ms / 1000, UTC) for cause, ms in zip(known, times, strict=True) if ms}
