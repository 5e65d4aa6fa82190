"""How well providers and keys are, from 0 to 100: what each success gives and each failure costs, and reading it.

Redis keeps only those below 100 (`limits/lua/scores.lua`, which also says how many calls they get).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.limits.acquire import Lease
from pool_worker.limits.holds import key_scope, provider_scope
from pool_worker.limits.settle import Well
from pool_worker.many_reads import read_many

HEALTHY = 100
SUCCESS_GIVES = 5
FAILURE_COSTS = 15
LEAST_SHARE = 0.2
"""Of the calls that it would get if it were well, who recovers gets so many at least (`ILL` of `limits/lua/scores.lua`)."""
QUARANTINE_S = 300.0
"""For so long nobody is called whose score has come to 0."""


def scopes_of(lease: Lease) -> tuple[str, str]:
    """Whose health a call under this lease tells of: its provider, and its key."""
    return provider_scope(lease.candidate.provider.id), key_scope(lease.key_id)


def well(lease: Lease) -> Well:
    """For the settlement of a call that succeeded."""
    provider, key = scopes_of(lease)
    forgets = redis_keys.failures(provider), redis_keys.failed_checks(lease.candidate.provider.id)
    return Well((redis_keys.health(provider), redis_keys.health(key)), forgets, SUCCESS_GIVES)


async def read_availability(redis: Redis, providers: Iterable[str]) -> Mapping[str, float]:
    """Of the providers that are not wholly well: 0 of one that is left alone now, else its score as a share (0 to 1)."""
    scopes = {provider: provider_scope(provider) for provider in providers}
    scores = await read_scores(redis, list(scopes.values()))
    holds = await read_many(redis, [redis_keys.hold(scope) for scope in scopes.values()])
    available = {
        provider: 0.0 if held else scores[scope] / HEALTHY for (provider, scope), held in zip(scopes.items(), holds, strict=True)
    }
    return {provider: share for provider, share in available.items() if share < 1}


async def read_shares(redis: Redis, scopes: Sequence[str]) -> Mapping[str, float]:
    """Of those that recover: which share of the calls they get that they would get if they were well."""
    values = await read_many(redis, [redis_keys.health(scope) for scope in scopes])
    parts = {scope: value.split() for scope, value in zip(scopes, values, strict=True) if value}
    return {scope: max(LEAST_SHARE, int(score) / HEALTHY) for scope, (score, _, recovers) in parts.items() if recovers == "1"}


async def read_scores(redis: Redis, scopes: Sequence[str]) -> Mapping[str, int]:
    """The score of each scope."""
    values = await read_many(redis, [redis_keys.health(scope) for scope in scopes])
    return {scope: HEALTHY if value is None else int(value.split()[0]) for scope, value in zip(scopes, values, strict=True)}
