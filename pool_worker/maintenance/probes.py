"""Asking held providers whether they are well again, so that recovery does not wait for a job's attempt."""

from __future__ import annotations

import logging

from pool_worker import redis_keys
from pool_worker.errors import AttemptError, Scope
from pool_worker.health.blame import fall, forgive
from pool_worker.limits.holds import provider_scope
from pool_worker.providers.probe import probe
from pool_worker.registry import Provider
from pool_worker.resources import Resources

logger = logging.getLogger(__name__)


async def probe_health(pool: Resources) -> int:
    """Probe every provider that has fallen and that this worker serves; returns how many are well again."""
    served = [provider for provider in pool.registry.providers.values() if provider.queue in pool.served_queues]
    fallen = [provider for provider in served if await pool.redis.exists(redis_keys.failures(provider_scope(provider.id)))]
    return sum([await _probe(provider, pool) for provider in fallen])


async def _probe(provider: Provider, pool: Resources) -> bool:
    key = next((key for key in pool.registry.keys_of(provider.id) if key.id in pool.secrets), None)
    if provider.needs_key and key is None:
        return False
    scope = provider_scope(provider.id)
    try:
        await probe(pool.http, provider=provider, secret=pool.secrets[key.id] if key else "", now=pool.now)
    except AttemptError as error:
        if error.scope is Scope.PROVIDER:  # a key that is refused says nothing of the others
            await fall(pool.redis, scope, first_s=error.default_hold_s, reason=f"{type(error).__name__}: {error.reason}")
        return False
    await forgive(pool.redis, scope)
    logger.info("%s is well again", provider.id)
    return True
