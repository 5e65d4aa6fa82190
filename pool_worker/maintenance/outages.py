"""Providers that do not answer, or of which no key works, as alerts: of each, and of a tier without any, until it is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pool_client.job import Tier
from pool_worker.alerts import Matter, told
from pool_worker.errors import AttemptError
from pool_worker.health.matters import SOURCE, down
from pool_worker.health.scores import read_scores
from pool_worker.limits.holds import key_scope
from pool_worker.registry import Provider, Registry
from pool_worker.resources import Resources


def is_expected(provider: Provider) -> bool:
    """Whether somebody counts on this provider: a local server that needs no key may never have been there."""
    return provider.needs_key or provider.tier is not Tier.LOCAL


async def is_told(provider: Provider, pool: Resources) -> bool:
    """Whether people were told that it is down, and not yet that it is up again."""
    return bool(await told(pool.redis, [down(provider.id).cause]))


async def tell_down(provider: Provider, error: AttemptError, pool: Resources) -> None:
    """It did not answer, or only that it cannot."""
    if is_expected(provider):
        await down(provider.id, because=error.reason).begins(pool.redis, now=pool.now())


async def tell_up(provider: Provider, pool: Resources) -> None:
    """It answers."""
    await down(provider.id).ends(pool.redis, now=pool.now())


async def tell_of_keys(pool: Resources) -> None:
    """Providers all of whose keys are refused or in quarantine, and those of which one is not any more."""
    keys = {name: pool.registry.keys_of(name) for names in _expected_by_tier(pool.registry).values() for name in names}
    scores = await read_scores(pool.redis, [key_scope(key.id) for of_one in keys.values() for key in of_one])
    for name, of_one in keys.items():
        matter = _without_key(name, len(of_one))
        if of_one and not any(scores[key_scope(key.id)] for key in of_one):
            await matter.begins(pool.redis, now=pool.now())
        else:
            await matter.ends(pool.redis, now=pool.now())


async def tell_of_tiers(pool: Resources) -> None:
    """Tiers none of whose providers can be called, whichever worker noticed, and those of which one can again."""
    tiers = _expected_by_tier(pool.registry)
    away = await _told_away(sorted(name for names in tiers.values() for name in names), pool)
    for tier, names in tiers.items():
        if names <= away:
            await _tier_down(tier, names).begins(pool.redis, now=pool.now())
        else:
            await _tier_down(tier, names, up=names - away).ends(pool.redis, now=pool.now())


async def _told_away(names: list[str], pool: Resources) -> set[str]:
    """Those of the providers of which people know that they are down, or that none of their keys works."""
    causes = [(name, matter.cause) for name in names for matter in (down(name), _without_key(name))]
    known = await told(pool.redis, (cause for _, cause in causes))
    return {name for name, cause in causes if cause in known}


def _expected_by_tier(registry: Registry) -> Mapping[Tier, set[str]]:
    """The providers on which jobs of a tier count."""
    tiers: dict[Tier, set[str]] = {}
    for model in registry.usable_models():
        provider = registry.provider_of(model)
        if is_expected(provider):
            tiers.setdefault(provider.tier, set()).add(provider.id)
    return tiers


def _without_key(provider_id: str, keys: int = 0) -> Matter:
    return Matter(
        cause=f"down:keys:{provider_id}",
        source=SOURCE,
        severity="critical",
        title=f"no key of {provider_id} works",
        message=f"all {keys} are refused or in quarantine, see their alerts; `model-pool keys check {provider_id}` tries them",
        over_title=f"a key of {provider_id} works again",
        over_message="it may be used",
    )


def _tier_down(tier: Tier, providers: Collection[str], *, up: Collection[str] = ()) -> Matter:
    return Matter(
        cause=f"down:tier:{tier}",
        source=SOURCE,
        severity="critical",
        title=f"every provider of the {tier} tier is down",
        message=f"{', '.join(sorted(providers))}. Jobs wait, or fail where they may not wait. Is this machine online?",
        over_title=f"the {tier} tier is up again",
        over_message=f"not down: {', '.join(sorted(up))}",
    )
