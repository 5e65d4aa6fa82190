"""How windows and budgets are written for the scripts. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pool_worker import redis_keys
from pool_worker.limits.periods import PERIOD_MS, Span, calendar_name, period_ms, spans
from pool_worker.registry import ALL_MODELS, Charges, Model, Period, Provider, Unit, Window, WindowKind, window_name

LONGEST_LEASE_MS = 3_600_000
"""No lease may live longer; windows are kept this much longer than their period, for settlements."""

GUARD_MS = 500
"""How long after the acquire a request reaches the provider at the latest."""

BOUNDLESS = 2**53
"""So much nobody spends: the window only counts."""
EVER = "ever"
"""The calendar of what is spent once and for all: it has one period."""
END_OF_TIME_MS = 2**53
KEEP_LASTING_MS = 35 * PERIOD_MS[Period.DAY]
"""After the first call; see `redis_keys.budget`."""

MONEY_PER_DAY = "money per day"
KEY_BUDGETS = "key:"
"""How the scopes of the keys' budgets begin (`pool_worker.budget.key_scope`)."""

_KNOWN_AT_THE_END = {Unit.TOKENS, Unit.OUTPUT_TOKENS, Unit.UNITS, Unit.USD}


@dataclass(frozen=True, slots=True)
class Terms:
    """What of a provider and a model decides how a call is counted."""

    provider: str
    model: str
    concurrency: int
    """Calls in flight of all models."""
    shared: bool
    """All models of the provider share its windows."""
    charges: Charges
    daily_unit: Unit
    own_concurrency: int | None = None
    """Calls in flight of this one; None: no further limit."""

    @classmethod
    def of(cls, model: Model, provider: Provider) -> Terms:
        """The terms of one model of a provider."""
        return cls(
            provider.id,
            model.name,
            provider.concurrency,
            provider.limits_shared,
            provider.charges,
            provider.daily_unit,
            model.concurrency,
        )


@dataclass(frozen=True, slots=True)
class BudgetWindow:
    """Money that one scope (`all`, `agent:log_analyzer`, `model:gpt-5`) may spend in a calendar day, or (`batch:b`) ever."""

    scope: str
    limit_micro_usd: int
    timezone: str = "UTC"
    lasting: bool = False
    """What is spent does not come back."""


@dataclass(frozen=True, slots=True)
class CountedWindow:
    """A window, and whether it limits every key or only those with a daily limit of their own."""

    window: Window
    limits_all: bool = True


def counted_windows(windows: tuple[Window, ...], daily_unit: Unit) -> list[CountedWindow]:
    """The windows that calls are counted in.

    One that is there twice is counted once, with the lower limit. Where no daily window has the unit of the keys' own
    daily limits there is one in UTC for them.
    """
    lowest: dict[tuple[Unit, Period, WindowKind, str], Window] = {}
    for window in windows:
        place = (window.unit, window.per, window.kind, window.timezone)
        if place not in lowest or window.limit < lowest[place].limit:
            lowest[place] = window
    counted = [CountedWindow(window) for window in lowest.values()]
    if not any(window.unit is daily_unit and window.per is Period.DAY for window in lowest.values()):
        counted.append(CountedWindow(Window(daily_unit, 0, Period.DAY, WindowKind.FIXED), limits_all=False))
    return counted


def window_facts(counted: CountedWindow, terms: Terms) -> dict[str, Any]:
    """A window as `lua/windows.lua` reads it.

    Raises:
        ValueError: if a window of a month is not of kind `fixed`.
    """
    window = counted.window
    is_fixed = window.kind is WindowKind.FIXED
    if not is_fixed and window.per not in PERIOD_MS:
        msg = f"{terms.provider}/{terms.model}: a window per {window.per} must be of kind fixed, not {window.kind}"
        raise ValueError(msg)
    length_ms = period_ms(window.per)
    facts: dict[str, Any] = {
        "kind": window.kind.value,
        "prefix": redis_keys.window(
            terms.provider,
            ALL_MODELS if terms.shared else terms.model,
            unit=window.unit.value,
            period=window.per.value,
            kind=f"fixed@{window.timezone}" if is_fixed else window.kind.value,
            group="",
        ),
        "unit": window.unit.value,
        "period_ms": length_ms,
        "keep_ms": 2 * length_ms + LONGEST_LEASE_MS,
        "what": window_name(window.unit, window.per),
    }
    if counted.limits_all:
        facts["limit"] = window.limit
    if is_fixed:
        facts["calendar"] = calendar_name(window.per, window.timezone)
    flags = {
        "late": terms.charges is Charges.ACTUAL and window.unit in _KNOWN_AT_THE_END,
        "own": window.unit is terms.daily_unit and window.per is Period.DAY,
        "shared": terms.shared,
    }
    return facts | {flag: True for flag, holds in flags.items() if holds}


def concurrency_facts(terms: Terms) -> list[dict[str, Any]]:
    """The windows of kind `concurrent`, as `lua/windows.lua` reads them: the provider's, and the model's own."""
    limits = {ALL_MODELS: terms.concurrency, terms.model: terms.own_concurrency}
    return [
        {
            "kind": "concurrent",
            "prefix": redis_keys.in_flight(terms.provider, "", model=model),
            "unit": Unit.REQUESTS.value,
            "limit": limit,
            "period_ms": 0,
            "keep_ms": LONGEST_LEASE_MS,
            "what": f"{limit} calls in flight",
        }
        for model, limit in limits.items()
        if limit is not None
    ]


def budget_facts(budget: BudgetWindow) -> dict[str, Any]:
    """A budget as `lua/windows.lua` reads it: a fixed window of our own counting, which knows no arrival and so no guard.

    It is charged what a call has cost, when it ends; until then its money is reserved.
    """
    day_ms = PERIOD_MS[Period.DAY]
    facts = {
        "kind": "fixed",
        "prefix": redis_keys.budget(budget.scope),
        "unit": "usd",
        "limit": budget.limit_micro_usd,
        "period_ms": day_ms,
        "keep_ms": KEEP_LASTING_MS if budget.lasting else 2 * day_ms,
        "calendar": EVER if budget.lasting else calendar_name(Period.DAY, budget.timezone),
        "late": True,
        "scope": f"budget {budget.scope}",
        "what": "money" if budget.lasting else MONEY_PER_DAY,
    }
    return facts | ({"lasting": True} if budget.lasting else {})


def key_budget_facts(timezone: str) -> dict[str, Any]:
    """The daily budgets of keys as `lua/windows.lua` reads them: one for each, its limit is the key's own."""
    facts = budget_facts(BudgetWindow(KEY_BUDGETS, 0, timezone))
    return {name: value for name, value in facts.items() if name not in {"limit", "scope"}} | {"by_key": True}


def calendars_of(
    windows: Iterable[CountedWindow], budgets: Iterable[BudgetWindow] = (), *, from_ms: int, until_ms: int
) -> dict[str, list[Span]]:
    """The calendar periods that a call between two times can touch, by calendar name."""
    followed = {(it.window.per, it.window.timezone) for it in windows if it.window.kind is WindowKind.FIXED}
    ever: dict[str, list[Span]] = {}
    for budget in budgets:
        if budget.lasting:
            ever = {EVER: [(0, END_OF_TIME_MS)]}
        else:
            followed.add((Period.DAY, budget.timezone))
    return ever | {calendar_name(per, zone): spans(per, zone, from_ms=from_ms, until_ms=until_ms) for per, zone in followed}
