"""Whom to leave alone after a failed attempt, and for how long: shared by all workers through holds.

A spent quota is held until the time that the provider named. Who failed without naming one is held for a moment, twice as long
each time it fails again after a hold, so that one sick provider costs a few attempts and not one per job.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.alerts import tell
from pool_worker.errors import AttemptError, BillingError, ModelNotAllowedError, Scope
from pool_worker.limits.acquire import Lease
from pool_worker.limits.holds import group_scope, hold, key_scope, model_scope, provider_scope
from pool_worker.lua import run_script
from pool_worker.registry import ALL_MODELS

LONGEST_HOLD_S = 300.0
FORGIVEN_AFTER_HOLDS = 3
"""Who stays well for this many times its last hold starts again from the shortest."""


async def blame(redis: Redis, error: AttemptError, lease: Lease, *, now: datetime) -> None:
    """Leave whoever is to blame for a failed attempt alone for a while, and tell a person if only a person can mend it.

    Does nothing when it is the request itself.
    """
    scope = _scope(error, lease)
    if scope is None:
        return
    reason = reason_of(error)
    if error.retry_at is not None:
        wait_ms = round((error.retry_at - now) / timedelta(milliseconds=1))
        await hold(redis, scope, ttl_ms=max(1, wait_ms), reason=reason)
    else:
        await fall(redis, scope, first_s=error.default_hold_s, reason=reason)
    if error.needs_person:
        await _tell(redis, error, lease, scope=scope, now=now)


def reason_of(error: AttemptError) -> str:
    """The reason of a hold: `WindowSpentError: no requests per hour remain`."""
    return f"{type(error).__name__}: {error.reason}"


async def fall(redis: Redis, scope: str, *, first_s: float, reason: str, now_ms: int | None = None) -> int:
    """Hold a scope that failed without saying for how long; see `lua/fall.lua`.

    Returns:
        For how many ms it is held from now; 0 if it was held already.
    """
    arguments: list[int | str] = [round(first_s * 1000), round(LONGEST_HOLD_S * 1000), FORGIVEN_AFTER_HOLDS, reason]
    keys = [redis_keys.hold(scope), redis_keys.failures(scope)]
    arguments.append("" if now_ms is None else now_ms)
    return int(await run_script(redis, __package__, "fall", keys=keys, arguments=arguments))


async def forgive(redis: Redis, scope: str) -> None:
    """A scope is well again: its hold ends, and its next fall is its first."""
    await redis.delete(redis_keys.hold(scope), redis_keys.failures(scope))


async def _tell(redis: Redis, error: AttemptError, lease: Lease, *, scope: str, now: datetime) -> None:
    what = (error.__doc__ or "").split("\n", 1)[0]
    await tell(
        redis,
        severity="critical",
        source="health",
        title=f"{lease.key_id}: {what}",
        message=f"{error.reason} (model {lease.candidate.model.id}); it is left alone for {error.default_hold_s / 3600:g} h",
        cause=f"{type(error).__name__}:{scope}",
        now=now,
    )


def _scope(error: AttemptError, lease: Lease) -> str | None:
    provider, model = lease.candidate.provider.id, lease.candidate.model.name
    match error.scope:
        case Scope.KEY:
            return key_scope(lease.key_id)
        case Scope.QUOTA_GROUP:
            return group_scope(provider, lease.group, model=_of_models(error, lease))
        case Scope.MODEL:
            return model_scope(provider, model)
        case Scope.PROVIDER:
            return provider_scope(provider)
        case _:
            return None


def _of_models(error: AttemptError, lease: Lease) -> str:
    """Of which models a quota group's failure is: credit is the account's, a permission is for one model."""
    model, provider = lease.candidate.model.name, lease.candidate.provider
    match error:
        case BillingError():
            return ALL_MODELS
        case ModelNotAllowedError():
            return model
        case _:
            return provider.scope_of(model)
