"""Asking held providers whether they are well again, so that recovery does not wait for a job's attempt; a person is told."""

from __future__ import annotations

import asyncio
import logging

from pool_worker import redis_keys
from pool_worker.errors import AttemptError, Scope
from pool_worker.health.blame import fall, forgive
from pool_worker.limits.holds import provider_scope
from pool_worker.maintenance.outages import is_told, tell_down, tell_of_tiers, tell_up
from pool_worker.providers.probe import probe
from pool_worker.registry import Provider
from pool_worker.resources import Resources

logger = logging.getLogger(__name__)


async def probe_health(pool: Resources) -> int:
    """Probe every provider that has fallen, or was told to be down, and that this worker serves; all of them at once.

    Returns:
        How many are well again.
    """
    served = [provider for provider in pool.registry.providers.values() if provider.queue in pool.served_queues]
    doubtful = [provider for provider in served if await _is_doubtful(provider, pool)]
    well = sum(await asyncio.gather(*(_probe(provider, pool) for provider in doubtful)))
    if doubtful:
        await tell_of_tiers(pool)
    return well


async def _is_doubtful(provider: Provider, pool: Resources) -> bool:
    has_fallen = bool(await pool.redis.exists(redis_keys.failures(provider_scope(provider.id))))
    return has_fallen or await is_told(provider, pool)


async def _probe(provider: Provider, pool: Resources) -> bool:
    key = next((key for key in pool.registry.keys_of(provider.id) if key.id in pool.secrets), None)
    if provider.needs_key and key is None:
        return False
    scope = provider_scope(provider.id)
    try:
        await probe(pool.http, provider=provider, secret=pool.secrets[key.id] if key else "", now=pool.now)
    except AttemptError as error:
        if error.scope is Scope.PROVIDER:
            await fall(pool.redis, scope, first_s=error.default_hold_s, reason=f"{type(error).__name__}: {error.reason}")
            await tell_down(provider, error, pool)
        else:  # it answers; a key that is refused says nothing of the others
            await tell_up(provider, pool)
        return False
    await forgive(pool.redis, scope)
    await tell_up(provider, pool)
    logger.info("%s is well again", provider.id)
    return True
