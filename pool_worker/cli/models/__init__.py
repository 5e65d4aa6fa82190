"""`model-pool models …`: the models of the configuration, and whether each can be used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pool_client import Pool
from pool_client.job import Tier
from pool_worker.cli.figures import NOTHING
from pool_worker.cli.json_output import print_json_list, print_json_object
from pool_worker.cli.ledger_reading import ledger_if_there
from pool_worker.cli.reaching import reach
from pool_worker.cli.result import print_answer
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import show
from pool_worker.cli.terminal import CommandError, err
from pool_worker.config import load_registry
from pool_worker.config.mistakes import did_you_mean
from pool_worker.registry import MILLION, Key, Model, Price, Registry, Unit, Window
from pool_worker.settings import Settings
from pool_worker.vault.shelf import Shelf, as_key

app = typer.Typer(no_args_is_help=True, add_completion=False)

TRIAL = "Answer with the word: ready"
TRIAL_TOKENS = 256
"""Enough for a model that thinks first; some refuse less than 16, and some answer nothing to it."""
ON_THE_WAY_S = 5.0

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.callback()
def models() -> None:
    """The models of the configuration, and whether each can be used."""


@app.command("list")
def list_command(
    *,
    provider: Annotated[str | None, typer.Option(help="Only of this provider.")] = None,
    capability: Annotated[str | None, typer.Option(help="Only with this capability.")] = None,
    tier: Annotated[Tier | None, typer.Option(help="Only of this tier.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List models, in the order of the configuration."""
    registry = known_registry(connected_settings(Settings()))
    _check_word(provider, registry.providers, what="provider", option="--provider")
    capabilities = {word for model in registry.models.values() for word in model.capabilities}
    _check_word(capability, capabilities, what="capability", option="--capability")
    wanted: list[Callable[[Model], bool]] = [
        lambda model: provider in {None, model.provider},
        lambda model: capability is None or capability in model.capabilities,
        lambda model: tier in {None, model.tier},
    ]
    found = [model for model in registry.models.values() if all(fits(model) for fits in wanted)]
    if as_json:
        print_json_list(_facts(model, registry) for model in found)
    elif found:
        show(_table(found, registry))
    else:
        err.print("no model is like that; `model-pool models list` shows them all")


@app.command("show")
def show_command(
    model_id: Annotated[str, typer.Argument(metavar="ID", help="As `models list` shows it.")], *, as_json: JsonOption = False
) -> None:
    """Show one model: what it can do, what it costs, its limits, and why it cannot be used if so."""
    registry = known_registry(connected_settings(Settings()))
    model = _known(model_id, registry)
    if as_json:
        print_json_object(_facts(model, registry))
    else:
        show(_details(model, registry))


@app.command("test")
def try_command(
    model_id: Annotated[str, typer.Argument(metavar="ID", help="As `models list` shows it.")], *, as_json: JsonOption = False
) -> None:
    """Make one small real call of a model, through the pool that runs, and say what came back."""
    settings = reach()
    registry = known_registry(settings)
    model = _known(model_id, registry)
    if why_not := registry.unusable_models.get(model_id):
        msg = f"{model_id} cannot be called: {why_not}"
        raise CommandError(msg)
    url = str(settings.redis_url)
    with Pool(redis_url=url) as pool:
        job = pool.submit(
            TRIAL, model=model_id, tier=model.tier, max_tokens=TRIAL_TOKENS, cache=False, priority="critical", on_exhausted="fail"
        )
        print_answer(job, url, timeout_s=registry.provider_of(model).timeout_s + ON_THE_WAY_S, as_json=as_json)


def _known(model_id: str, registry: Registry) -> Model:
    model = registry.models.get(model_id)
    if model is None:
        msg = f'"{model_id}" is not a model; {did_you_mean(model_id, registry.models)}'
        raise CommandError(msg, exit_code=2)
    return model


def known_registry(settings: Settings) -> Registry:
    """The configuration with the keys in the vault; their secrets are not read, so no master key is needed."""
    registry = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
    return replace(registry, keys=_keys_in_vault(settings))


def _keys_in_vault(settings: Settings) -> tuple[Key, ...]:
    with ledger_if_there(settings) as engine:
        if engine is None:
            return ()
        with engine.connect() as connection:
            return tuple(as_key(row) for row in Shelf(connection, actor="models", at=datetime.now(UTC)).rows())


def _check_word(word: str | None, known: Any, *, what: str, option: str) -> None:
    if word is not None and word not in known:
        msg = f'"{word}" is not a {what}; {did_you_mean(word, known)}'
        raise typer.BadParameter(msg, param_hint=option)


def _facts(model: Model, registry: Registry) -> dict[str, object]:
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
        "price": model.price,
        "limits": registry.windows_of(model),
        "keys": len(registry.keys_of(model.provider)),
        "is_experimental": model.is_experimental,
        "is_usable": model.id not in registry.unusable_models,
        "why_not": registry.unusable_models.get(model.id),
    }


def _table(found: Sequence[Model], registry: Registry) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("id", overflow="fold")
    table.add_column("tier")
    table.add_column("in / out", justify="right", no_wrap=True)
    table.add_column("context", justify="right")
    table.add_column("keys", justify="right")
    table.add_column("", overflow="fold")
    for model in found:
        keys, why_not = len(registry.keys_of(model.provider)), registry.unusable_models.get(model.id)
        state = Text("usable", style="green") if why_not is None else Text(why_not, style="yellow")
        table.add_row(model.id, model.tier.value, _price(model), _count(model.context_window), str(keys or NOTHING), state)
    table.caption, table.caption_justify = "in / out: USD per million tokens", "left"
    return table


def _details(model: Model, registry: Registry) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    why_not = registry.unusable_models.get(model.id)
    state = Text("yes", style="green") if why_not is None else Text(f"no: {why_not}", style="yellow")
    rows: dict[str, str | Text] = {
        "id": Text(model.id, style="bold"),
        "usable": state,
        "model": f"{model.name} of {model.provider}",
        "tier": f"{model.tier.value}, priority {model.priority}" + (", experimental" if model.is_experimental else ""),
        "can": ", ".join(sorted(model.capabilities)) or NOTHING,
        "tokens": f"context {_count(model.context_window)}, answer {_count(model.max_output_tokens)}",
        "price": _price(model) + (_per_what(model.price) if model.price_known and model.price != Price() else ""),
        "limits": "\n".join(_limit(window) for window in registry.windows_of(model)) or "none",
        "keys": ", ".join(key.id for key in registry.keys_of(model.provider)) or NOTHING,
    }
    for name, value in rows.items():
        grid.add_row(name, Text(value) if isinstance(value, str) else value)
    return grid


def _price(model: Model) -> str:
    if not model.price_known:
        return "unknown"
    price = model.price
    return "free" if price == Price() else f"{price.input_usd_per_mtok.normalize():f} / {price.output_usd_per_mtok.normalize():f}"


def _per_what(price: Price) -> str:
    per_request = f", and {price.usd_per_request.normalize():f} USD per request" if price.usd_per_request else ""
    return f" USD per million tokens in / out{per_request}"


def _count(tokens: int | None) -> str:
    return NOTHING if tokens is None else f"{tokens:,}"


def _limit(window: Window) -> str:
    amount = f"{window.limit / MILLION:.2f} USD" if window.unit is Unit.USD else f"{window.limit:,} {window.unit.value}"
    zone = f" of {window.timezone}" if window.kind.value == "fixed" else ""
    return f"{amount.replace('_', ' ')} per {window.per.value} ({window.kind.value}{zone})"
