"""Keys put together: what a provider's keys have used of their windows, all in all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pool_worker.overview.facts import KeyUse, Use, WindowUse
from pool_worker.registry import Period, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUse(Use):
    """Some keys under one name; each sort of window is there once, over all of them and all their models."""

    name: str
    keys: int


def by_provider(keys: Iterable[KeyUse]) -> list[GroupUse]:
    """One group per provider, in the keys' order."""
    providers: dict[str, list[KeyUse]] = {}
    for key in keys:
        providers.setdefault(key.provider, []).append(key)
    return [_together(provider, of_provider) for provider, of_provider in providers.items()]


def by_key(keys: Iterable[KeyUse]) -> list[GroupUse]:
    """Each key for itself, its models together."""
    return [_together(key.key_id, [key]) for key in keys]


def _together(name: str, keys: list[KeyUse]) -> GroupUse:
    """Keys of one quota group show the same windows and calls: each is counted once."""
    sums: dict[tuple[Unit, Period], WindowUse] = {}
    seen: set[tuple[str, str, Unit, Period]] = set()
    for key in keys:
        for window in key.windows:
            place = (key.quota_group, window.model, window.unit, window.per)
            if place not in seen:
                seen.add(place)
                sort = (window.unit, window.per)
                sums[sort] = _sum(sums[sort], window) if sort in sums else window
    calls = {key.quota_group: key.calls_in_flight for key in keys}
    return GroupUse(name=name, keys=len(keys), calls_in_flight=sum(calls.values()), windows=tuple(sums.values()))


def _sum(one: WindowUse, other: WindowUse) -> WindowUse:
    return WindowUse(
        unit=one.unit,
        per=one.per,
        used=one.used + other.used,
        limit=one.limit + other.limit,
        configured=one.configured + other.configured,
        resets_at=max(one.resets_at, other.resets_at),
    )
