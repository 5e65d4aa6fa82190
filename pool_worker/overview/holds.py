"""Who is left alone, until when and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.limits.holds import group_scope, key_scope, model_scope, provider_scope
from pool_worker.many_reads import read_many
from pool_worker.overview.facts import Hold
from pool_worker.registry import Registry

Named = tuple[str, str, str]
"""A scope, its kind, and its name for people."""


async def read_holds(client: Redis, registry: Registry) -> Mapping[str, Hold]:
    """Scope → every hold on what the registry knows, the longest first."""
    scopes = list(_scopes(registry))
    values = await read_many(client, [redis_keys.hold(scope) for scope, _, _ in scopes])
    holds = {scope: _hold(kind, name, value) for (scope, kind, name), value in zip(scopes, values, strict=True) if value}
    return dict(sorted(holds.items(), key=lambda item: (-item[1].until.timestamp(), item[1].kind, item[1].name)))


def _scopes(registry: Registry) -> Iterator[Named]:
    models: dict[str, list[str]] = {provider: [] for provider in registry.providers}
    for model in registry.models.values():
        models[model.provider].append(model.name)
        yield model_scope(model.provider, model.name), "model", model.id
    groups = {(key.provider, key.group) for key in registry.keys}
    for provider in registry.providers:
        yield provider_scope(provider), "provider", provider
    for key in registry.keys:
        yield key_scope(key.id), "key", key.id
    for provider, group in sorted(groups):
        yield group_scope(provider, group), "group", group
        for name in models[provider]:
            yield group_scope(provider, group, model=name), "group", f"{group} on {name}"


def _hold(kind: str, name: str, value: str) -> Hold:
    until_ms, _, reason = value.partition(" ")
    return Hold(kind, name, datetime.fromtimestamp(int(until_ms) / 1000, UTC), reason)
