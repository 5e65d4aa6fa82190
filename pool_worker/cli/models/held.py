"""How models stand: left alone (not one of their provider's keys may be called on them before a known time), or on probation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import redis
import redis.asyncio

from pool_client.redis_connection import connect_async
from pool_worker.limits.enroll import keys_for
from pool_worker.overview.facts import Hold
from pool_worker.overview.holds import read_holds
from pool_worker.overview.keys import enrolled_keys
from pool_worker.overview.probation import Probation, read_probations
from pool_worker.overview.standing import holds_on
from pool_worker.registry import Key, Model, Registry


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of models beside the configuration."""

    held: Mapping[str, Hold] = field(default_factory=dict)
    """Model id → what keeps it from being called until its first key is back."""
    on_probation: Mapping[str, Probation] = field(default_factory=dict)
    """By provider."""


def read_standing(url: str, registry: Registry) -> Standing:
    """How the models stand now. Nothing is known where no Redis answers."""
    try:
        return asyncio.run(_read(url, registry))
    except (redis.RedisError, OSError):
        return Standing()


def held_models(registry: Registry, holds: Mapping[str, Hold]) -> dict[str, Hold]:
    """Model id → what keeps it from being called until its first key is back, of these holds (scope → hold). Pure."""
    first_back = {
        model.id: _first_back(model, keys_for(registry, registry.provider_of(model)), holds) for model in registry.models.values()
    }
    return {model_id: hold for model_id, hold in first_back.items() if hold is not None}


async def _read(url: str, registry: Registry) -> Standing:
    async with connect_async(url) as client:
        registry = replace(registry, keys=await enrolled_keys(client, registry))
        holds = await read_holds(client, registry)
        probations = await read_probations(client, registry, held=holds)
        return Standing(held_models(registry, holds), {it.provider: it for it in probations})


def _first_back(model: Model, keys: Iterable[Key], holds: Mapping[str, Hold]) -> Hold | None:
    """None if a key may be called."""
    longest = [max(on_key, key=_until, default=None) for on_key in _on_each(model, keys, holds)]
    held = [hold for hold in longest if hold is not None]
    return min(held, key=_until, default=None) if len(held) == len(longest) else None


def _on_each(model: Model, keys: Iterable[Key], holds: Mapping[str, Hold]) -> Iterator[list[Hold]]:
    return (holds_on(model.provider, key.id, key.group, model.name, holds) for key in keys)


def _until(hold: Hold) -> datetime:
    return hold.until
