"""Which key can be called on which model, and if not, why and until when. Pure: facts in, facts out.

A key that is only busy (as many calls in flight as it takes) counts as one that can be called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pool_client.stats import HealthStatus
from pool_worker.errors import WindowSpentError
from pool_worker.limits.holds import group_scope, key_scope, model_scope, provider_scope
from pool_worker.overview.facts import Hold, KeyUse, ModelWindowUse
from pool_worker.registry import ALL_MODELS, Provider, Registry, window_name

_OF_QUOTA = f"{WindowSpentError.__name__}: "
"""How the reasons of holds begin which mean that a quota is spent: the provider refused, or said that nothing is left."""
NEVER = datetime.max.replace(tzinfo=UTC)
"""For comparisons, where nobody knows when something ends."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why somebody cannot be called."""

    status: HealthStatus
    reason: str
    until: datetime | None
    """At the latest; None: nobody knows."""

    @property
    def ends_at(self) -> datetime:
        """`until`, to compare."""
        return self.until or NEVER


@dataclass(frozen=True, slots=True)
class Place:
    """One key on one model, or on all models that share its windows."""

    model: str
    """The provider's name for it, or `ALL_MODELS`."""
    windows: tuple[ModelWindowUse, ...]
    obstacle: Obstacle | None


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """One key on everything that it can be used for."""

    use: KeyUse
    places: tuple[Place, ...]

    @property
    def obstacle(self) -> Obstacle | None:
        """None if there is a model on which it can be called, else what stands in the way of the first that comes back."""
        return _first_to_end(place.obstacle for place in self.places)


@dataclass(frozen=True, slots=True)
class ProviderStanding:
    """One provider with its keys."""

    provider: str
    keys: tuple[KeyStanding, ...]
    disabled: Obstacle | None = None

    @property
    def obstacle(self) -> Obstacle | None:
        """None if a key can be called, else why the provider is not in use, or what stands in the way of its first key."""
        return self.disabled or _first_to_end(key.obstacle for key in self.keys)


def standings(registry: Registry, keys: Iterable[KeyUse], holds: Mapping[str, Hold]) -> tuple[ProviderStanding, ...]:
    """Every configured provider, in the registry's order. `holds`: scope → hold."""
    of_provider: dict[str, list[KeyUse]] = {provider_id: [] for provider_id in registry.providers}
    for key in keys:
        of_provider[key.provider].append(key)
    models: dict[str, list[str]] = {provider_id: [] for provider_id in registry.providers}
    for model in registry.models.values():
        if registry.is_switched_on(model):
            models[model.provider].append(model.name)
    return tuple(
        _provider(provider, of_provider[provider.id], tuple(dict.fromkeys(models[provider.id])), holds)
        for provider in registry.providers.values()
    )


def _provider(provider: Provider, keys: Sequence[KeyUse], models: Sequence[str], holds: Mapping[str, Hold]) -> ProviderStanding:
    if reason := _why_disabled(provider, keys, models):
        return ProviderStanding(provider.id, (), Obstacle(HealthStatus.DISABLED, reason, None))
    return ProviderStanding(provider.id, tuple(_key(provider, key, models, holds) for key in keys))


def _why_disabled(provider: Provider, keys: Sequence[KeyUse], models: Sequence[str]) -> str | None:
    if not provider.enabled:
        return provider.disabled_reason or "no reason given"
    if not models:
        return "it has no active model"
    if not keys:
        return "it has no key" if provider.needs_key else "no worker has started with it"
    return None


def _key(provider: Provider, key: KeyUse, models: Sequence[str], holds: Mapping[str, Hold]) -> KeyStanding:
    on_model = {name: holds_on(provider.id, key.key_id, key.quota_group, name, holds) for name in models}
    if provider.limits_shared:
        held = _first_to_end(_last_to_end(map(_held, found)) for found in on_model.values())
        return KeyStanding(key, (_place(key, ALL_MODELS, held),))
    return KeyStanding(key, tuple(_place(key, name, _last_to_end(map(_held, found))) for name, found in on_model.items()))


def holds_on(provider: str, key_id: str, group: str, model: str, holds: Mapping[str, Hold]) -> list[Hold]:
    """Whatever keeps a key from being called on a model (the provider's name for it). `holds`: scope → hold."""
    scopes = (
        provider_scope(provider),
        key_scope(key_id),
        group_scope(provider, group),
        model_scope(provider, model),
        group_scope(provider, group, model=model),
    )
    return [holds[scope] for scope in scopes if scope in holds]


def _place(key: KeyUse, model: str, held: Obstacle | None) -> Place:
    windows = tuple(window for window in key.windows if window.model == model)
    spent = [_spent(window) for window in windows if window.remaining < 1]
    return Place(model, windows, _last_to_end([*spent, *([held] if held else [])]))


def _held(hold: Hold) -> Obstacle:
    status = HealthStatus.LIMITED if hold.reason.startswith(_OF_QUOTA) else HealthStatus.HELD
    return Obstacle(status, hold.reason, hold.until)


def _spent(window: ModelWindowUse) -> Obstacle:
    what = window_name(window.unit, window.per)
    if not window.limit:
        return Obstacle(HealthStatus.LIMITED, f"it has no {what}", None)
    return Obstacle(HealthStatus.LIMITED, f"all {what} are used", window.resets_at)


def _last_to_end(obstacles: Iterable[Obstacle]) -> Obstacle | None:
    return max(obstacles, key=lambda it: it.ends_at, default=None)


def _first_to_end(obstacles: Iterable[Obstacle | None]) -> Obstacle | None:
    """None if one of them is none."""
    first: Obstacle | None = None
    for obstacle in obstacles:
        if obstacle is None:
            return None
        if first is None or obstacle.ends_at < first.ends_at:
            first = obstacle
    return first
