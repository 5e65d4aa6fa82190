"""Looking at quotas from time to time, and telling of those that run out and of those that are less than was configured."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal

from pool_worker.alerts import Matter, open_causes, resolve, tell, told
from pool_worker.limits.usage import KeyWindowUse, usage_now
from pool_worker.registry import ALL_MODELS, Period, window_name
from pool_worker.resources import Resources

SOURCE = "quota"
LOWER = f"{SOURCE}:lower:"
LISTED = 10
"""So many keys are named in one alert."""
LOWER_TOLD_FOR_S = 2 * 24 * 3600.0
"""Longer than a limit that was learned is believed (a day), so that its end is always noticed; then it is told once more."""

_LONG = frozenset({Period.DAY, Period.MONTH})
"""Only their use is worth a person's attention: a minute's window is full many times an hour."""


@dataclass(frozen=True, slots=True)
class _Spending:
    """What the keys have in common that are told of together."""

    provider: str
    model: str
    what: str
    """`requests per day`."""
    threshold: Decimal
    resets_on: date

    @property
    def cause(self) -> str:
        return f"{SOURCE}:{self.provider}:{self.model}:{self.what}:{self.threshold}:{self.resets_on}"


async def check_quotas(pool: Resources) -> int:
    """Tell of daily and monthly windows that have reached a warning threshold; returns how many have.

    One alert tells of all the keys of a provider that have reached the same threshold of the same window by then. Its cause does
    not name them: a key that follows within the period is told of with those that reach the next threshold, not by itself.
    Windows themselves roll over by the clock, each at its provider's own time; the next period is another cause.

    Also tells, for each key and window, of a limit that the provider said is lower than configured, and when it no longer is.
    """
    uses = await usage_now(pool.redis, pool.registry)
    await _tell_of_limits(uses, pool)
    thresholds = pool.registry.rules.warnings.quota_thresholds
    spendings: dict[_Spending, list[KeyWindowUse]] = {}
    last = set()
    for use in uses:
        if use.per in _LONG and use.limit and (reached := _reached(use, thresholds)):
            spending = _Spending(use.provider, use.model, _what(use), reached, _resets_at([use]).date())
            spendings.setdefault(spending, []).append(use)
            last |= {replace(spending, threshold=threshold).cause for threshold in thresholds if threshold <= reached}
    await _tell_of_resets(last, pool)
    for spending, keys in spendings.items():
        await _warn(spending, keys, pool)
    return sum(map(len, spendings.values()))


async def _tell_of_resets(last: Collection[str], pool: Resources) -> None:
    """Tell of each use that was warned of and whose period is over; `last` are the causes of those that last."""
    now = pool.now()
    for cause in await open_causes(pool.redis, f"{SOURCE}:"):
        provider, _, rest = cause.removeprefix(f"{SOURCE}:").partition(":")
        if cause in last or cause.startswith(LOWER):
            continue
        model, what, threshold, resets_on = rest.rsplit(":", 3)
        if now.date() >= date.fromisoformat(resets_on):
            title = f"{provider} has its {what} again{_on(model)}"
            message = f"the period in which {Decimal(threshold):.0%} were used is over"
            await resolve(pool.redis, source=SOURCE, title=title, message=message, cause=cause, now=now)


async def _warn(spending: _Spending, uses: Sequence[KeyWindowUse], pool: Resources) -> None:
    who = f"{spending.provider}: {len(uses)} keys have" if len(uses) > 1 else f"{uses[0].key_id} has"
    figures = [f"{use.key_id.removeprefix(use.provider)} {use.used:,} of {use.limit:,}".strip() for use in uses[:LISTED]]
    more = f" and {len(uses) - LISTED:,} more" if len(uses) > LISTED else ""
    await tell(
        pool.redis,
        severity="warning",
        source=SOURCE,
        title=f"{who} used {spending.threshold:.0%} of {'their' if len(uses) > 1 else 'its'} {spending.what}",
        message=f"{', '.join(figures)}{more}{_on(spending.model)}; resets at {_resets_at(uses):%Y-%m-%d %H:%M} UTC",
        cause=spending.cause,
        now=pool.now(),
    )


def _reached(use: KeyWindowUse, thresholds: Sequence[Decimal]) -> Decimal | None:
    """The highest threshold that this use has reached."""
    share = Decimal(use.used) / Decimal(use.limit)
    return max((threshold for threshold in thresholds if share >= threshold), default=None)


async def _tell_of_limits(uses: Sequence[KeyWindowUse], pool: Resources) -> None:
    """Tell of each limit that is lower than configured now and was not told, and of each that was told and no longer is."""
    sorts: dict[str, KeyWindowUse] = {}  # windows of different kinds may have the same words: the lowered one speaks for them
    for use in uses:
        cause = _lower_limit(use).cause
        if cause not in sorts or use.limit < use.configured:
            sorts[cause] = use
    known = await told(pool.redis, sorts)
    for cause, use in sorts.items():
        if use.limit < use.configured and cause not in known:
            await _lower_limit(use).begins(pool.redis, now=pool.now())
        elif use.limit >= use.configured and cause in known:
            await _lower_limit(use).ends(pool.redis, now=pool.now())


def _lower_limit(use: KeyWindowUse) -> Matter:
    return Matter(
        cause=f"{LOWER}{use.key_id}:{use.model}:{_what(use)}",
        source=SOURCE,
        severity="warning",
        title=f"{use.key_id} has {use.limit:,} {_what(use)}, not {use.configured:,}",
        message=f"{use.provider} says so{_on(use.model)}, and the pool keeps to it. If it is so for good, configure it",
        over_title=f"{use.key_id} has {use.limit:,} {_what(use)}, as configured",
        over_message=f"{use.provider} no longer says that it is less{_on(use.model)}",
        ttl_s=LOWER_TOLD_FOR_S,
    )


def _what(use: KeyWindowUse) -> str:
    return window_name(use.unit, use.per)


def _on(model: str) -> str:
    """Which model's window it is; a window of all models needs no word."""
    return "" if model == ALL_MODELS else f" on {model}"


def _resets_at(uses: Iterable[KeyWindowUse]) -> datetime:
    return datetime.fromtimestamp(max(use.resets_at_ms for use in uses) / 1000, UTC)
