"""Providers that do not answer, as alerts: told once for each, and for a tier that has no other, until they answer again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pool_client.job import Tier
from pool_worker import redis_keys
from pool_worker.alerts import resolve, tell
from pool_worker.errors import AttemptError
from pool_worker.registry import Provider, Registry
from pool_worker.resources import Resources

SOURCE = "health"


def is_expected(provider: Provider) -> bool:
    """Whether somebody counts on this provider: a local server that needs no key may never have been there."""
    return provider.needs_key or provider.tier is not Tier.LOCAL


async def is_told(provider: Provider, pool: Resources) -> bool:
    """Whether people were told that it is down, and not yet that it is up again."""
    return bool(await pool.redis.exists(redis_keys.alert_told(_cause_of_provider(provider.id))))


async def tell_down(provider: Provider, error: AttemptError, pool: Resources) -> None:
    """It did not answer, or only that it cannot."""
    if is_expected(provider):
        await tell(
            pool.redis,
            severity="warning",
            source=SOURCE,
            title=f"{provider.id} is down",
            message=f"{error.reason}; jobs go to other providers meanwhile, or wait",
            cause=_cause_of_provider(provider.id),
            now=pool.now(),
        )


async def tell_up(provider: Provider, pool: Resources) -> None:
    """It answers."""
    await resolve(
        pool.redis,
        source=SOURCE,
        title=f"{provider.id} is up again",
        message="it answers",
        cause=_cause_of_provider(provider.id),
        now=pool.now(),
    )


async def tell_of_tiers(pool: Resources) -> None:
    """Tiers all of whose providers are down, whichever worker noticed, and those of which one is up again."""
    tiers = _expected_by_tier(pool.registry)
    names = sorted(name for providers in tiers.values() for name in providers)
    told = await pool.redis.mget([redis_keys.alert_told(_cause_of_provider(name)) for name in names]) if names else []
    down = {name for name, value in zip(names, cast("list[str | None]", told), strict=True) if value}
    for tier, providers in tiers.items():
        if providers <= down:
            await _tell_tier_down(tier, sorted(providers), pool)
        else:
            await _tell_tier_up(tier, sorted(providers - down), pool)


async def _tell_tier_down(tier: Tier, providers: list[str], pool: Resources) -> None:
    await tell(
        pool.redis,
        severity="critical",
        source=SOURCE,
        title=f"every provider of the {tier} tier is down",
        message=f"{', '.join(providers)}. Jobs wait, or fail where they may not wait. Is this machine online?",
        cause=_cause_of_tier(tier),
        now=pool.now(),
    )


async def _tell_tier_up(tier: Tier, providers: list[str], pool: Resources) -> None:
    await resolve(
        pool.redis,
        source=SOURCE,
        title=f"the {tier} tier is up again",
        message=f"not down: {', '.join(providers)}",
        cause=_cause_of_tier(tier),
        now=pool.now(),
    )


def _expected_by_tier(registry: Registry) -> Mapping[Tier, set[str]]:
    """The providers on which jobs of a tier count."""
    tiers: dict[Tier, set[str]] = {}
    for model in registry.usable_models():
        provider = registry.provider_of(model)
        if is_expected(provider):
            tiers.setdefault(provider.tier, set()).add(provider.id)
    return tiers


def _cause_of_provider(provider_id: str) -> str:
    return f"down:provider:{provider_id}"


def _cause_of_tier(tier: Tier) -> str:
    return f"down:tier:{tier}"
