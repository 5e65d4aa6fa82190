"""Models as `models list` and `models show` print them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from pool_worker.cli.figures import NOTHING, moment, percent, usd
from pool_worker.cli.models.held import Standing
from pool_worker.cli.probation import probation_words
from pool_worker.cli.reasons import plain_reason
from pool_worker.registry import MILLION, Model, Price, Registry, Unit, Window


def model_facts(model: Model, registry: Registry, standing: Standing) -> dict[str, object]:
    """For `--json`."""
    hold, probation = standing.held.get(model.id), standing.on_probation.get(model.provider)
    return {
        "id": model.id,
        "provider": model.provider,
        "model": model.name,
        "tier": model.tier,
        "priority": model.priority,
        "capabilities": sorted(model.capabilities),
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "price_known": model.price_known,
        "price_is_listed": model.price_is_listed,
        "discount": model.discount,
        "price": model.price,
        "limits": registry.windows_of(model),
        "keys": len(registry.keys_of(model.provider)),
        "is_experimental": model.is_experimental,
        "is_usable": model.id not in registry.unusable_models,
        "why_not": registry.unusable_models.get(model.id),
        "held_until": hold and hold.until,
        "held_because": hold and hold.reason,
        "provider_down_since": probation and probation.down_since,
        "share_of_calls": probation.share if probation else 1.0,
    }


def models_table(found: Sequence[Model], registry: Registry, standing: Standing) -> Table:
    """A line each."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("id", overflow="fold")
    table.add_column("tier")
    table.add_column("in / out", justify="right", no_wrap=True)
    table.add_column("context", justify="right")
    table.add_column("keys", justify="right")
    table.add_column("", overflow="fold")
    for model in found:
        keys = len(registry.keys_of(model.provider))
        state = _state(model, registry, standing, usable="usable")
        table.add_row(model.id, model.tier.value, _price(model), _count(model.context_window), str(keys or NOTHING), state)
    table.caption, table.caption_justify = "in / out: USD per million tokens", "left"
    return table


def model_details(model: Model, registry: Registry, standing: Standing) -> Table:
    """Everything of one."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    rows: dict[str, str | Text] = {
        "id": Text(model.id, style="bold"),
        "usable": _state(model, registry, standing, usable="yes", unusable="no: "),
        "model": f"{model.name} of {model.provider}",
        "tier": f"{model.tier.value}, priority {model.priority}" + (", experimental" if model.is_experimental else ""),
        "can": ", ".join(sorted(model.capabilities)) or NOTHING,
        "tokens": f"context {_count(model.context_window)}, answer {_count(model.max_output_tokens)}",
        "price": _price_in_full(model),
        "limits": "\n".join(_limit(window) for window in registry.windows_of(model)) or "none",
        "keys": ", ".join(key.id for key in registry.keys_of(model.provider)) or NOTHING,
    }
    for name, value in rows.items():
        grid.add_row(name, Text(value) if isinstance(value, str) else value)
    return grid


def _state(model: Model, registry: Registry, standing: Standing, *, usable: str, unusable: str = "") -> Text:
    """Whether it can be called now, and why not, or why not as much as else."""
    if why_not := registry.unusable_models.get(model.id):
        return Text(f"{unusable}{why_not}", style="yellow")
    if hold := standing.held.get(model.id):
        return Text(f"{unusable}left alone until {moment(hold.until)}: {plain_reason(hold.reason)}", style="yellow")
    if probation := standing.on_probation.get(model.provider):
        return Text(f"on probation: {model.provider} is {probation_words(probation)}", style="yellow")
    return Text(usable, style="green")


def _price(model: Model) -> str:
    if not model.price_known:
        return "unknown"
    price = model.price
    return "free" if price == Price() else f"{price.input_usd_per_mtok.normalize():f} / {price.output_usd_per_mtok.normalize():f}"


def _price_in_full(model: Model) -> str:
    """With what is cheaper or dearer than the rest, and where it comes from."""
    if not model.price_known:
        return "unknown: what is called there is counted as 0 USD"
    price = model.price
    if price == Price():
        return _price(model)
    words = [f"{_price(model)} USD per million tokens in / out"]
    if price.cached_input_usd_per_mtok is not None:
        words.append(f"{price.cached_input_usd_per_mtok.normalize():f} for input that is cached")
    if price.usd_per_request:
        words.append(f"and {price.usd_per_request.normalize():f} USD per request")
    if model.discount:
        words.append(f"after {percent(float(model.discount))} off")
    if model.price_is_listed:
        words.append("by the public list (genai-prices)")
    return ", ".join(words)


def _count(tokens: int | None) -> str:
    return NOTHING if tokens is None else f"{tokens:,}"


def _limit(window: Window) -> str:
    amount = usd(window.limit / MILLION) if window.unit is Unit.USD else f"{window.limit:,} {window.unit.value}"
    zone = f" of {window.timezone}" if window.kind.value == "fixed" else ""
    return f"{amount.replace('_', ' ')} per {window.per.value} ({window.kind.value}{zone})"
