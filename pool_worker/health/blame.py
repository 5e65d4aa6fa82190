"""Whom to leave alone after a failed attempt, and for how long: shared by all workers through holds.

A spent quota is held until the time that the provider named. Who failed without naming one is held for a moment, twice as long
each time it fails again after a hold and no call has succeeded since, so that one sick provider costs a few attempts and not one
per job. What is evidence of an illness also lowers the scores of the provider and of the key (see `scores`): who comes to 0 is
left alone for minutes. A key that is refused comes to 0 at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.alerts import tell
from pool_worker.errors import AttemptError, BillingError, ModelNotAllowedError, Scope
from pool_worker.health.matters import SOURCE, quarantine, refusal_cause
from pool_worker.health.scores import FAILURE_COSTS, HEALTHY, QUARANTINE_S, scopes_of
from pool_worker.limits.acquire import Lease
from pool_worker.limits.clock import as_argument
from pool_worker.limits.holds import group_scope, hold, key_scope, model_scope, provider_scope
from pool_worker.lua import run_script
from pool_worker.registry import ALL_MODELS

LONGEST_HOLD_S = 300.0
FORGIVEN_AFTER_HOLDS = 3
"""Who stays well for this many times its last hold starts again from the shortest."""


@dataclass(frozen=True, slots=True)
class Fall:
    """What became of a scope that failed."""

    held_ms: int
    """For how long it is held from now; 0 if it was held already."""
    quarantined: str | None = None
    """The scope that is in quarantine from now."""


async def blame(redis: Redis, error: AttemptError, lease: Lease, *, now: datetime) -> None:
    """Leave whoever is to blame for a failed attempt alone for a while, and tell a person if only a person can mend it.

    Does nothing when it is the request itself.
    """
    scope = _scope(error, lease)
    if scope is None:
        return
    reason = reason_of(error)
    named_ms = None if error.retry_at is None else max(1, round((error.retry_at - now) / timedelta(milliseconds=1)))
    if named_ms is not None and not error.harms_health:
        await hold(redis, scope, ttl_ms=named_ms, reason=reason)
    else:
        await _fall(redis, error, lease, scope=scope, named_ms=named_ms, now=now)
    if error.needs_person:
        await _tell(redis, error, lease, scope=scope, now=now)


def reason_of(error: AttemptError) -> str:
    """The reason of a hold: `WindowSpentError: no requests per hour remain`."""
    return f"{type(error).__name__}: {error.reason}"


async def fall(
    redis: Redis,
    scope: str,
    *,
    first_s: float,
    reason: str,
    named_ms: int | None = None,
    harms: Sequence[str] = (),
    costs: int = FAILURE_COSTS,
    now_ms: int | None = None,
) -> Fall:
    """Hold a scope that failed; see `lua/fall.lua`.

    Args:
        redis: Where holds are kept.
        scope: Who failed.
        first_s: For how long it is held the first time, if `named_ms` is None.
        reason: Why.
        named_ms: For how long it wants to be left alone.
        harms: The scopes whose health suffers by it.
        costs: How many points it costs each of them.
        now_ms: For tests: Redis's clock is taken otherwise.
    """
    pairs = ((redis_keys.health(ill), redis_keys.hold(ill)) for ill in harms)
    held_ms, quarantined = await run_script(
        redis,
        __package__,
        "fall",
        keys=[redis_keys.hold(scope), redis_keys.failures(scope), *(name for pair in pairs for name in pair)],
        arguments=[
            *(round(first_s * 1000), round(LONGEST_HOLD_S * 1000), as_argument(named_ms), FORGIVEN_AFTER_HOLDS),
            *(costs, round(QUARANTINE_S * 1000), reason, as_argument(now_ms)),
        ],
    )
    return Fall(held_ms, None if quarantined < 0 else harms[quarantined])


async def forgive(redis: Redis, scope: str) -> None:
    """A scope is well again: its hold ends, and its next fall is its first."""
    await redis.delete(redis_keys.hold(scope), redis_keys.failures(scope))


async def _fall(redis: Redis, error: AttemptError, lease: Lease, *, scope: str, named_ms: int | None, now: datetime) -> None:
    """With what it does to the health of provider and key. A key's own failure says nothing of its provider, and is its end."""
    harms, costs = (scopes_of(lease), FAILURE_COSTS) if error.scope is Scope.PROVIDER else ((scope,), HEALTHY)
    fell = await fall(
        redis,
        scope,
        first_s=error.default_hold_s,
        reason=reason_of(error),
        named_ms=named_ms,
        harms=harms if error.harms_health else (),
        costs=costs,
    )
    if fell.quarantined and not error.needs_person:
        await quarantine(fell.quarantined, because=error.reason).begins(redis, now=now)


async def _tell(redis: Redis, error: AttemptError, lease: Lease, *, scope: str, now: datetime) -> None:
    what = (error.__doc__ or "").split("\n", 1)[0]
    await tell(
        redis,
        severity="critical",
        source=SOURCE,
        title=f"{lease.key_id}: {what}",
        message=f"{error.reason} (model {lease.candidate.model.id}); it is left alone for {error.default_hold_s / 3600:g} h",
        cause=refusal_cause(type(error), scope),
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
