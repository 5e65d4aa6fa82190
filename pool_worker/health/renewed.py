"""A key that got a new secret starts anew: what was held against the old one is not the new one's fault."""

from __future__ import annotations

from datetime import datetime

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.alerts import resolve
from pool_worker.errors import AuthenticationFailedError
from pool_worker.limits.holds import key_scope


async def start_anew(client: Redis, key_id: str, *, now: datetime) -> None:
    """Forget the key's hold, its failures and its score; people who were told of them are told that it is over.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    scope = key_scope(key_id)
    await client.delete(redis_keys.hold(scope), redis_keys.failures(scope), redis_keys.health(scope))
    for cause in (f"{AuthenticationFailedError.__name__}:{scope}", f"quarantine:{scope}"):
        await resolve(
            client,
            source="health",
            title=f"{key_id} has a new secret",
            message="it is used from now on",
            cause=cause,
            now=now,
        )
