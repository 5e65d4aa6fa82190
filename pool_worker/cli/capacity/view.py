"""What the pool can do, drawn for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pool_client.stats import HealthStatus
from pool_worker.cli.figures import NOTHING, count_of, limit_words, span
from pool_worker.cli.reasons import plain_reason
from pool_worker.cli.screen import plain_table
from pool_worker.overview.capacity import Amount, Capacity, LoweredLimit, ProviderCapacity
from pool_worker.overview.facts import window_words
from pool_worker.registry import ALL_MODELS

TITLES = ("keys", "a minute", "left now", "a day", "left today", "more in")
MORE = "+"
NO_LIMIT = "no limit"
FEW = 2
"""So many keys are named."""


def capacity_view(found: Sequence[ProviderCapacity], *, at: datetime) -> RenderableType:
    """Requests, tokens, who is not counted and why, and which limits are lower than configured. `found`: the total is last."""
    *providers, total = found
    counted = [it for it in providers if it.status in {HealthStatus.HEALTHY, HealthStatus.LIMITED}]
    parts: list[RenderableType] = [
        Text.assemble(("Capacity", "bold"), f" at {at.astimezone():%H:%M:%S}"),
        *_sort("requests", [(it, it.requests) for it in counted], (total, total.requests), at=at),
        *_sort("tokens", [(it, it.tokens) for it in counted], (total, total.tokens), at=at),
    ]
    parts += [Text(), *_notes(counted, total)]
    for section in (_left_out([it for it in providers if it not in counted], at=at), _lowered(counted)):
        if section is not None:
            parts += [Text(), section]
    return Group(*parts)


def _sort(
    name: str, rows: Sequence[tuple[ProviderCapacity, Capacity]], total: tuple[ProviderCapacity, Capacity], *, at: datetime
) -> Iterable[RenderableType]:
    """Requests, or tokens; who has no limit on them is named below."""
    limited = [(it, amounts) for it, amounts in rows if amounts.is_limited]
    table = plain_table(name, *TITLES)
    for it, amounts in limited:
        style = "yellow" if it.status is HealthStatus.LIMITED else ""
        table.add_row(it.provider, *_figures(it, amounts, at=at), style=style)
    if len(limited) > 1:
        table.add_row("total", *_figures(*total, at=at), style="bold")
    if limited:
        yield from (Text(), table)
    if free := [it.provider for it, amounts in rows if not amounts.is_limited]:
        yield Text(f"no limit on {name}: {', '.join(free)}", style="dim")


def _notes(counted: Sequence[ProviderCapacity], total: ProviderCapacity) -> Iterable[Text]:
    """What the tables do not say by themselves."""
    if any(amount.unlimited and amount.counted for amount in (*_amounts(total.requests), *_amounts(total.tokens))):
        yield Text(f"{MORE}: and more, where there is no limit", style="dim")
    if others := [f"{it.provider} ({', '.join(it.also_limited)})" for it in counted if it.also_limited]:
        yield Text(f"limited in other ways too: {', '.join(others)}", style="dim")


def _amounts(it: Capacity) -> tuple[Amount, ...]:
    return it.per_minute, it.usable_now, it.per_day, it.left_today


def _figures(it: ProviderCapacity, amounts: Capacity, *, at: datetime) -> tuple[str, ...]:
    more_in = span(max(0.0, (it.more_at - at).total_seconds())) if it.more_at else NOTHING
    return (f"{it.keys_usable}/{it.keys}", *map(_amount, _amounts(amounts)), more_in)


def _amount(amount: Amount) -> str:
    if not amount.unlimited:
        return f"{amount.counted:,}"
    return f"{amount.counted:,}{MORE}" if amount.counted else NO_LIMIT


def _left_out(providers: Sequence[ProviderCapacity], *, at: datetime) -> Table | None:
    """Those that are held or disabled; those with the same reason together."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for it in providers:
        left = span(max(0.0, (it.until - at).total_seconds())) if it.until else NOTHING
        because = plain_reason(it.reason or "")
        is_disabled = it.status is HealthStatus.DISABLED
        reasons.setdefault((left, f"disabled: {because}" if is_disabled else because), []).append(it.provider)
    if not reasons:
        return None
    table = plain_table("not counted", "for", "because", right=())
    for (left, because), names in reasons.items():
        table.add_row(Text(", ".join(names)), left, Text(because))
    return table


def _lowered(providers: Sequence[ProviderCapacity]) -> Table | None:
    rows = [(it.provider, lowered) for it in providers for lowered in it.lowered]
    if not rows:
        return None
    table = plain_table("lower than configured", "window", "limit", "keys", right=(2,))
    for provider, it in rows:
        table.add_row(
            Text(_place(provider, it)), window_words(it.unit, it.per), limit_words(it.limit, it.configured), _keys(provider, it)
        )
    return table


def _place(provider: str, it: LoweredLimit) -> str:
    return provider if it.model == ALL_MODELS else f"{provider} on {it.model}"


def _keys(provider: str, it: LoweredLimit) -> Text:
    """Their numbers, or how many there are."""
    numbers = (key_id.removeprefix(provider) or key_id for key_id in it.keys)
    return Text(", ".join(numbers) if len(it.keys) <= FEW else count_of(len(it.keys), "key"))
