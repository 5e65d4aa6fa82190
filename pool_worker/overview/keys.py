"""The keys that the workers use, and how much of each is used."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.limits.enroll import keys_for
from pool_worker.limits.usage import usage_now
from pool_worker.overview.facts import KeyUse, ModelWindowUse
from pool_worker.registry import Key, Registry

MANY = 2000
"""Keys that are asked about in one pipeline."""


async def enrolled_keys(client: Redis, registry: Registry) -> tuple[Key, ...]:
    """The active keys as the workers told Redis, by provider and number: no database and no master key is needed for them."""
    async with client.pipeline(transaction=False) as pipe:
        for provider in registry.providers:
            pipe.smembers(redis_keys.enrolled_keys(provider))
        members = await pipe.execute()
    owners = [
        (provider, key_id)
        for provider, ids in zip(registry.providers, members, strict=True)
        for key_id in sorted(ids, key=_number)
    ]
    async with client.pipeline(transaction=False) as pipe:
        for _, key_id in owners:
            pipe.hmget(redis_keys.key_facts(key_id), "priority", "group", "daily_limit", "daily_budget_usd")
        rows = await pipe.execute() if owners else []
    return tuple(
        Key(
            key_id,
            provider,
            priority=int(priority),
            quota_group=group or "",
            daily_limit=int(daily) if daily else None,
            daily_budget_usd=Decimal(budget) if budget else None,
        )
        for (provider, key_id), (priority, group, daily, budget) in zip(owners, rows, strict=True)
        if priority is not None
    )


async def read_key_use(client: Redis, registry: Registry) -> tuple[KeyUse, ...]:
    """Every active key of the registry with its windows, by provider as in the registry, and number.

    A provider that needs no key has a nameless one; it is there only if something is counted for it.
    """
    windows: defaultdict[str, list[ModelWindowUse]] = defaultdict(list)
    for use in await usage_now(client, registry):
        windows[use.key_id].append(
            ModelWindowUse(
                model=use.model,
                unit=use.unit,
                per=use.per,
                used=use.used,
                limit=use.limit,
                configured=use.configured,
                resets_at=datetime.fromtimestamp(use.resets_at_ms / 1000, UTC),
            )
        )
    enabled = [provider for provider in registry.providers.values() if provider.enabled]
    enrolled = {key.id for key in registry.keys}
    keys = [key for each in enabled for key in keys_for(registry, each) if key.id in enrolled or windows[key.id]]
    in_flight = await _calls_in_flight(client, keys)
    return tuple(
        KeyUse(
            key_id=key.id,
            provider=key.provider,
            priority=key.priority,
            quota_group=key.group,
            calls_in_flight=in_flight[key.id],
            windows=tuple(windows[key.id]),
        )
        for key in keys
    )


async def _calls_in_flight(client: Redis, keys: list[Key]) -> dict[str, int]:
    """Leases that have not ended; those of dead workers end by their deadline."""
    now_ms = int((await client.time())[0]) * 1000
    counts: dict[str, int] = {}
    for start in range(0, len(keys), MANY):
        some = keys[start : start + MANY]
        async with client.pipeline(transaction=False) as pipe:
            for key in some:
                pipe.zcount(redis_keys.in_flight(key.provider, key.group), now_ms, "+inf")
            counts |= zip((key.id for key in some), await pipe.execute(), strict=True)
    return counts


def _number(key_id: str) -> tuple[int, str]:
    number = key_id.rpartition("#")[2]
    return (int(number) if number.isdigit() else 0, key_id)
