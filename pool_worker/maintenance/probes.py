"""Asking fallen providers whether they are well again, so that recovery does not wait for a job's attempt; a person is told."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

from pool_worker import redis_keys
from pool_worker.errors import AttemptError, Scope
from pool_worker.health.blame import LONGEST_HOLD_S, fall, forgive, reason_of
from pool_worker.health.matters import quarantine
from pool_worker.limits.holds import provider_scope
from pool_worker.maintenance.outages import is_told, tell_down, tell_of_keys, tell_of_tiers, tell_up
from pool_worker.providers.probe import probe
from pool_worker.registry import Provider
from pool_worker.resources import Resources

CHECK_EVERY_S = 30.0
"""Beat's cadence."""
DOWN_AFTER = 3
"""So many failures, of calls or of checks, with no success between them: one or two happen to every provider."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FailedChecks:
    """How often a provider was checked in vain, and when it is to be checked again: ms since the epoch."""

    count: int = 0
    due_ms: int = 0


async def probe_health(pool: Resources) -> int:
    """Probe every provider that has fallen, or was told to be down, and that this worker serves; all of them at once.

    A check that fails puts the next one off, twice as long each time.

    Returns:
        How many are well again.
    """
    served = [provider for provider in pool.registry.providers.values() if provider.queue in pool.served_queues]
    doubtful = [provider for provider in served if await _is_doubtful(provider, pool)]
    well = sum(await asyncio.gather(*(_probe(provider, pool) for provider in doubtful)))
    await tell_of_keys(pool)
    await tell_of_tiers(pool)
    return well


async def _is_doubtful(provider: Provider, pool: Resources) -> bool:
    if _ms(pool.now()) < (await _failed_checks(provider, pool)).due_ms:
        return False
    return await _falls(provider, pool) > 0 or await is_told(provider, pool)


async def _probe(provider: Provider, pool: Resources) -> bool:
    key = next((key for key in pool.registry.keys_of(provider.id) if key.id in pool.secrets), None)
    if provider.needs_key and key is None:
        return False
    try:
        await probe(pool.http, provider=provider, secret=pool.secrets[key.id] if key else "", now=pool.now)
    except AttemptError as error:
        if error.scope is Scope.PROVIDER:
            await _note_failed_check(provider, error, pool)
        else:  # it answers; a key that is refused says nothing of the others
            await tell_up(provider, pool)
        return False
    scope = provider_scope(provider.id)
    await forgive(pool.redis, scope)
    await pool.jobs.hasten(provider.id)
    await pool.redis.delete(redis_keys.failed_checks(provider.id))
    await quarantine(scope).ends(pool.redis, now=pool.now())
    await tell_up(provider, pool)
    logger.info("%s is well again", provider.id)
    return True


async def _note_failed_check(provider: Provider, error: AttemptError, pool: Resources) -> None:
    scope = provider_scope(provider.id)
    await fall(pool.redis, scope, first_s=error.default_hold_s, reason=reason_of(error), harms=(scope,))
    checks = (await _failed_checks(provider, pool)).count + 1
    wait_ms = round(1000 * min(CHECK_EVERY_S * 2 ** (checks - 1), LONGEST_HOLD_S))
    due_ms = _ms(pool.now()) + wait_ms - round(500 * CHECK_EVERY_S)  # ticks are not exact
    await pool.redis.set(redis_keys.failed_checks(provider.id), f"{checks} {due_ms}", px=2 * wait_ms)
    if checks + await _falls(provider, pool) >= DOWN_AFTER:
        await tell_down(provider, error, pool)


async def _falls(provider: Provider, pool: Resources) -> int:
    return int(await pool.redis.get(redis_keys.failures(provider_scope(provider.id))) or 0)


async def _failed_checks(provider: Provider, pool: Resources) -> FailedChecks:
    text = await pool.redis.get(redis_keys.failed_checks(provider.id))
    return FailedChecks(*map(int, text.split())) if text else FailedChecks()


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
