"""What people are told of who is ill: that a provider is down, that somebody is refused or in quarantine; and that it is over."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.alerts import Matter
from pool_worker.errors import AttemptError
from pool_worker.health.scores import QUARANTINE_S, scopes_of
from pool_worker.limits.acquire import Lease

SOURCE = "health"
QUARANTINE_TOLD_FOR_S = 6 * 3600.0
"""Who goes in and out of quarantine is told of so often at most."""


def refusal_cause(error: type[AttemptError], scope: str) -> str:
    """The cause of the alert that a scope was refused in a way that only a person can mend."""
    return f"{error.__name__}:{scope}"


def down(provider_id: str, *, because: str = "") -> Matter:
    """A provider does not answer, or only that it cannot."""
    return Matter(
        cause=f"down:provider:{provider_id}",
        source=SOURCE,
        severity="warning",
        title=f"{provider_id} is down",
        message=f"{because}; jobs go to other providers meanwhile, or wait",
        over_title=f"{provider_id} is up again",
        over_message="it answers",
    )


def quarantine(scope: str, *, because: str = "") -> Matter:
    """The score of a provider or key has come to 0."""
    kind, _, name = scope.partition(":")
    or_sooner = ", or until a check finds it well" if kind == "provider" else ""
    return Matter(
        cause=f"quarantine:{scope}",
        source=SOURCE,
        severity="warning",
        title=f"{kind} {name} is in quarantine",
        message=f"too many of its calls failed, the last one so: {because}. It is left alone for"
        f" {QUARANTINE_S / 60:g} minutes{or_sooner}, then it gets a few calls, and more as they succeed",
        over_title=f"{kind} {name} is out of quarantine",
        over_message=f"it is called again. If it comes and goes, that is not told within {QUARANTINE_TOLD_FOR_S / 3600:g} hours:"
        " `model-pool status` shows it",
        ttl_s=QUARANTINE_TOLD_FOR_S,
        comes_and_goes=True,
    )


async def tell_well(redis: Redis, lease: Lease, *, now: datetime) -> None:
    """A call succeeded: whatever was told of its provider and its key is over, but of who is left alone all the same.

    One read where nothing was told. Who fell while the call was under way is not taken for well because of it.
    """
    provider, key = scopes_of(lease)
    of_scope = [(provider, down(lease.candidate.provider.id)), (provider, quarantine(provider)), (key, quarantine(key))]
    names = [name for scope, it in of_scope for name in (redis_keys.hold(scope), redis_keys.alert_told(it.cause))]
    values = cast("list[str | None]", await redis.mget(names))
    for (_, matter), held, told in zip(of_scope, values[::2], values[1::2], strict=True):
        if told and not held:
            await matter.ends(redis, now=now)
