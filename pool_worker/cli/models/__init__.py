"""`model-pool models …`: the models of the configuration, whether each can be used, and changing that while the pool runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from pool_client import Pool
from pool_client.job import Tier
from pool_worker.cli.json_output import print_json_list, print_json_object
from pool_worker.cli.models.held import read_standing
from pool_worker.cli.models.known import known_model, known_registry
from pool_worker.cli.models.reloading import reload_command
from pool_worker.cli.models.switching import disable_command, enable_command
from pool_worker.cli.models.view import model_details, model_facts, models_table
from pool_worker.cli.names import check_name
from pool_worker.cli.reaching import reach
from pool_worker.cli.result import print_answer
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import show
from pool_worker.cli.terminal import CommandError, err
from pool_worker.registry import Model
from pool_worker.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False)

TRIAL = "Answer with the word: ready"
TRIAL_TOKENS = 256
"""Enough for a model that thinks first; some refuse less than 16, and some answer nothing to it."""
ON_THE_WAY_S = 5.0

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.callback()
def models() -> None:
    """The models of the configuration, whether each can be used, and changing that while the pool runs."""


@app.command("list")
def list_command(
    *,
    provider: Annotated[str | None, typer.Option(help="Only of this provider.")] = None,
    capability: Annotated[str | None, typer.Option(help="Only with this capability.")] = None,
    tier: Annotated[Tier | None, typer.Option(help="Only of this tier.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List models, in the order of the configuration."""
    settings = connected_settings(Settings())
    registry = known_registry(settings)
    check_name(provider, registry.providers, option="--provider", what="a provider")
    capabilities = {word for model in registry.models.values() for word in model.capabilities}
    check_name(capability, capabilities, option="--capability", what="a capability of any model")
    wanted: list[Callable[[Model], bool]] = [
        lambda model: provider in {None, model.provider},
        lambda model: capability is None or capability in model.capabilities,
        lambda model: tier in {None, model.tier},
    ]
    found = [model for model in registry.models.values() if all(fits(model) for fits in wanted)]
    standing = read_standing(str(settings.redis_url), registry)
    if as_json:
        print_json_list(model_facts(model, registry, standing) for model in found)
    elif found:
        show(models_table(found, registry, standing))
    else:
        err.print("no model is like that; `model-pool models list` shows them all")


@app.command("show")
def show_command(
    model_id: Annotated[str, typer.Argument(metavar="ID", help="As `models list` shows it.")], *, as_json: JsonOption = False
) -> None:
    """Show one model: what it can do, what it costs, its limits, and why it cannot be used if so."""
    settings = connected_settings(Settings())
    registry = known_registry(settings)
    model = known_model(model_id, registry)
    standing = read_standing(str(settings.redis_url), registry)
    if as_json:
        print_json_object(model_facts(model, registry, standing))
    else:
        show(model_details(model, registry, standing))


@app.command("test")
def try_command(
    model_id: Annotated[str, typer.Argument(metavar="ID", help="As `models list` shows it.")], *, as_json: JsonOption = False
) -> None:
    """Make one small real call of a model, through the pool that runs, and say what came back."""
    settings = reach()
    registry = known_registry(settings)
    model = known_model(model_id, registry)
    if why_not := registry.unusable_models.get(model_id):
        msg = f"{model_id} cannot be called: {why_not}"
        raise CommandError(msg)
    url = str(settings.redis_url)
    with Pool(redis_url=url) as pool:
        job = pool.submit(
            TRIAL, model=model_id, tier=model.tier, max_tokens=TRIAL_TOKENS, cache=False, priority="critical", on_exhausted="fail"
        )
        print_answer(job, url, timeout_s=registry.provider_of(model).timeout_s + ON_THE_WAY_S, as_json=as_json)


app.command("disable")(disable_command)
app.command("enable")(enable_command)
app.command("reload")(reload_command)
