"""How many requests and tokens the pool can do: per minute and per day, at once, and today. Pure: facts in, facts out.

What limits somebody is the tightest of its windows. Keys of one quota group are counted once. Whoever is held or disabled counts
nothing; whose quota is spent counts with what it can do once it is back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import add

from pool_client.stats import HealthStatus
from pool_worker.overview.facts import ModelWindowUse
from pool_worker.overview.standing import NEVER, Obstacle, Place, ProviderStanding
from pool_worker.registry import ALL_MODELS, Period, Unit

_PER_DAY = {Period.MINUTE: 1440, Period.HOUR: 24, Period.DAY: 1, Period.MONTH: 1}
"""How often a window of this period is there in a day; a month's may be used up in one."""
_LONG = frozenset({Period.DAY, Period.MONTH})
_COUNTED = frozenset({Unit.REQUESTS, Unit.TOKENS, Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS})


@dataclass(frozen=True, slots=True)
class Amount:
    """So many; and if `unlimited`, more than that: somebody who belongs to it has no such limit."""

    counted: int = 0
    unlimited: bool = False

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.counted + other.counted, self.unlimited or other.unlimited)

    def most(self, other: Amount) -> Amount:
        """The larger of the two."""
        return Amount(max(self.counted, other.counted), self.unlimited or other.unlimited)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Requests, or tokens."""

    per_minute: Amount = Amount()
    """At most in any one minute."""
    usable_now: Amount = Amount()
    """What is left of it now."""
    per_day: Amount = Amount()
    """At most in any one day, which has so many minutes and hours. Unlimited where a day or month limits something else alone."""
    left_today: Amount = Amount()
    """What is left in the windows of days and months."""

    @property
    def is_limited(self) -> bool:
        """Whether anybody who belongs to it has a limit, be it of a minute or of a day."""
        return any(amount.counted or not amount.unlimited for amount in (self.per_minute, self.per_day))

    def __add__(self, other: Capacity) -> Capacity:
        return self._with(add, other)

    def most(self, other: Capacity) -> Capacity:
        """The larger of each."""
        return self._with(Amount.most, other)

    def _with(self, put: Callable[[Amount, Amount], Amount], other: Capacity) -> Capacity:
        return Capacity(
            per_minute=put(self.per_minute, other.per_minute),
            usable_now=put(self.usable_now, other.usable_now),
            per_day=put(self.per_day, other.per_day),
            left_today=put(self.left_today, other.left_today),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoweredLimit:
    """A limit that a provider said is lower than configured."""

    model: str
    unit: Unit
    per: Period
    limit: int
    configured: int
    keys: tuple[str, ...]
    """For whom it is so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCapacity:
    """One provider, or (`*`) all of them together."""

    provider: str
    status: HealthStatus
    reason: str | None
    until: datetime | None
    keys: int
    keys_usable: int
    quota_groups: int
    requests: Capacity
    tokens: Capacity
    """Where only input or output tokens are limited, these."""
    more_at: datetime | None
    """When the first of what is spent or held is back, at the latest; None: nothing is, or nobody knows."""
    also_limited: tuple[str, ...] = ()
    """Windows that count neither: `units/day`."""
    lowered: tuple[LoweredLimit, ...] = ()


def capacities(providers: Iterable[ProviderStanding]) -> list[ProviderCapacity]:
    """Every provider in the order given, then the total."""
    each = [_capacity(provider) for provider in providers]
    return [*each, _total(each)]


def _capacity(provider: ProviderStanding) -> ProviderCapacity:
    obstacle = provider.obstacle
    places = [(key.use.quota_group, place) for key in provider.keys for place in key.places]
    return ProviderCapacity(
        provider=provider.provider,
        status=HealthStatus.HEALTHY if obstacle is None else obstacle.status,
        reason=None if obstacle is None else obstacle.reason,
        until=None if obstacle is None else obstacle.until,
        keys=len(provider.keys),
        keys_usable=sum(key.obstacle is None for key in provider.keys),
        quota_groups=len({group for group, _ in places}),
        requests=_of_groups(places, _requests),
        tokens=_of_groups(places, _tokens),
        more_at=_first(place.obstacle for _, place in places),
        also_limited=tuple(
            dict.fromkeys(window.words for _, place in places for window in place.windows if window.unit not in _COUNTED)
        ),
        lowered=tuple(_lowered(provider)),
    )


def _total(each: Sequence[ProviderCapacity]) -> ProviderCapacity:
    in_use = [it for it in each if it.status is not HealthStatus.DISABLED]
    first = min(in_use, key=lambda it: (it.status is not HealthStatus.HEALTHY, it.until or NEVER), default=None)
    return ProviderCapacity(
        provider=ALL_MODELS,
        status=first.status if first else HealthStatus.DISABLED,
        reason=first.reason if first else "no provider is in use",
        until=first.until if first else None,
        keys=sum(it.keys for it in each),
        keys_usable=sum(it.keys_usable for it in each),
        quota_groups=sum(it.quota_groups for it in each),
        requests=reduce(add, (it.requests for it in each), Capacity()),
        tokens=reduce(add, (it.tokens for it in each), Capacity()),
        more_at=min((it.more_at for it in each if it.more_at), default=None),
    )


def _of_groups(places: Iterable[tuple[str, Place]], units: Callable[[Place], Sequence[_Limit]]) -> Capacity:
    """The sum over groups and models. Of keys of one group, the one that can do most stands for all: windows are the group's."""
    most: dict[tuple[str, str], Capacity] = {}
    for group, place in places:
        one = _of_place(place, units(place))
        at = (group, place.model)
        most[at] = most[at].most(one) if at in most else one
    return reduce(add, most.values(), Capacity())


def _of_place(place: Place, limits: Sequence[_Limit]) -> Capacity:
    if place.obstacle is not None and place.obstacle.status is HealthStatus.HELD:
        return Capacity()
    long = [limit for limit in limits if limit.per in _LONG]
    all_long = [window for window in place.windows if window.per in _LONG]
    return Capacity(
        per_minute=_least(limit.limit for limit in limits),
        usable_now=Amount() if place.obstacle else _least(limit.remaining for limit in limits),
        per_day=_least(limit.limit * _PER_DAY[limit.per] for limit in (limits if long or not all_long else ())),
        left_today=Amount() if any(window.remaining < 1 for window in all_long) else _least(limit.remaining for limit in long),
    )


def _least(amounts: Iterable[int]) -> Amount:
    found = list(amounts)
    return Amount(min(found)) if found else Amount(unlimited=True)


@dataclass(frozen=True, slots=True)
class _Limit:
    per: Period
    limit: int
    remaining: int


def _limits(windows: Iterable[ModelWindowUse]) -> list[_Limit]:
    return [_Limit(window.per, window.limit, window.remaining) for window in windows]


def _requests(place: Place) -> list[_Limit]:
    return _limits(window for window in place.windows if window.unit is Unit.REQUESTS)


def _tokens(place: Place) -> list[_Limit]:
    """Windows of tokens, and for each period those of input and of output tokens together."""
    halves: dict[Period, _Limit] = {}
    for half in _limits(window for window in place.windows if window.unit in {Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS}):
        other = halves.get(half.per, _Limit(half.per, 0, 0))
        halves[half.per] = _Limit(half.per, half.limit + other.limit, half.remaining + other.remaining)
    return [*_limits(window for window in place.windows if window.unit is Unit.TOKENS), *halves.values()]


def _first(obstacles: Iterable[Obstacle | None]) -> datetime | None:
    return min((it.until for it in obstacles if it is not None and it.until is not None), default=None)


def _lowered(provider: ProviderStanding) -> Iterable[LoweredLimit]:
    keys: dict[tuple[str, Unit, Period, int, int], list[str]] = {}
    for key in provider.keys:
        for window in (window for place in key.places for window in place.windows if window.is_lowered):
            sort = (window.model, window.unit, window.per, window.limit, window.configured)
            keys.setdefault(sort, []).append(key.use.key_id)
    for (model, unit, per, limit, configured), ids in keys.items():
        yield LoweredLimit(model=model, unit=unit, per=per, limit=limit, configured=configured, keys=tuple(ids))
