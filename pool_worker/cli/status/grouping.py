"""Keys put together: what a provider's keys have used of their windows, all in all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pool_worker.cli.status.facts import KeyUse
from pool_worker.registry import Period, Unit


@dataclass(frozen=True, slots=True)
class GroupWindow:
    """One sort of window, over some keys and all models of theirs."""

    unit: Unit
    per: Period
    used: int
    limit: int
    resets_at: datetime
    """When the last of them will be empty again."""

    @property
    def share(self) -> float:
        """Of all limits together."""
        return self.used / self.limit if self.limit else 1.0


@dataclass(frozen=True, slots=True)
class GroupUse:
    """Some keys under one name."""

    name: str
    keys: int
    calls_in_flight: int
    windows: tuple[GroupWindow, ...]

    @property
    def tightest(self) -> GroupWindow | None:
        """The window with the largest share used."""
        return max(self.windows, key=lambda window: window.share, default=None)


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
    """Keys of one quota group show the same windows: each is counted once."""
    sums: dict[tuple[Unit, Period], GroupWindow] = {}
    seen: set[tuple[str, str, Unit, Period]] = set()
    for key in keys:
        for window in key.windows:
            place = (key.quota_group, window.model, window.unit, window.per)
            if place in seen:
                continue
            seen.add(place)
            kind = (window.unit, window.per)
            before = sums.get(kind, GroupWindow(*kind, 0, 0, window.resets_at))
            resets_at = max(before.resets_at, window.resets_at)
            sums[kind] = GroupWindow(*kind, before.used + window.used, before.limit + window.limit, resets_at)
    return GroupUse(name, len(keys), sum(key.calls_in_flight for key in keys), tuple(sums.values()))
