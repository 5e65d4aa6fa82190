"""A key that got a new secret, or works again, starts anew: what was held against it before is not its fault any more."""

from __future__ import annotations

from datetime import datetime

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.alerts import resolve
from pool_worker.errors import AuthenticationFailedError
from pool_worker.health.matters import SOURCE, quarantine, refusal_cause
from pool_worker.limits.holds import key_scope


async def start_anew(client: Redis, key_id: str, *, because: str, now: datetime) -> None:
    """Forget the key's hold, its failures and its score; people who were told that it is refused are told that it is over.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    scope = key_scope(key_id)
    await client.delete(redis_keys.hold(scope), redis_keys.failures(scope), redis_keys.health(scope))
    refused = refusal_cause(AuthenticationFailedError, scope)
    await resolve(client, source=SOURCE, title=f"{key_id} {because}", message="it is refused no more", cause=refused, now=now)
    await quarantine(scope).ends(client, now=now)
