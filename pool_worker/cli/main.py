"""The entry point. A command is one line in `COMMANDS`; its module is imported when it is used, so that `--help` is quick."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from pool_worker.cli.global_options import add_global_options

COMMANDS = {
    # name: (function or Typer, what it does)
    "up": ("pool_worker.cli.up:app", "Run everything on this machine, in the foreground."),
    "demo": ("pool_worker.cli.demo:demo", "Show it all at work on this machine for half a minute, no key needed."),
    "submit": ("pool_worker.cli.submit:submit", "Submit one job and print its answer."),
    "job": ("pool_worker.cli.job:job", "Show one job: where it is, what was tried for it, its answer."),
    "result": ("pool_worker.cli.result:result", "Print the answer of one job, now or when it comes."),
    "cancel": ("pool_worker.cli.cancel:cancel", "Cancel one job."),
    "status": ("pool_worker.cli.status:status", "Show what the pool is doing now; --watch: each second."),
    "capacity": ("pool_worker.cli.capacity:capacity", "Show what the pool can do per minute and day, and what is left."),
    "usage": ("pool_worker.cli.usage:usage", "Show calls, tokens, latencies and costs from the ledger."),
    "costs": ("pool_worker.cli.costs:costs", "Show what was spent, the dearest first, and what today will have cost."),
    "alerts": ("pool_worker.cli.alerts:app", "List alerts, acknowledge them, try whether they reach people."),
    "dead": ("pool_worker.cli.dead:app", "List messages that could not be worked on, retry or drop them."),
    "models": ("pool_worker.cli.models:app", "List the models, try, disable and enable one, reload the configuration."),
    "worker": ("pool_worker.cli.parts:worker", "Run one worker, in the foreground."),
    "beat": ("pool_worker.cli.parts:beat", "Run the clock that starts what is to be done regularly."),
    "flower": ("pool_worker.cli.parts:flower", "Run Flower, Celery's monitor."),
    "simulate": ("pool_worker.cli.simulate:simulate", "Run the simulator of the providers."),
    "keys": ("pool_worker.cli.keys:app", "Import, list, add and revoke API keys."),
    "ledger": ("pool_worker.cli.ledger:app", "Delete what the ledger need not keep any longer."),
    "database": ("pool_worker.cli.database:app", "Set up the ledger's database."),
    "doctor": ("pool_worker.cli.doctor:doctor", "Check everything, and say how to mend what is wrong."),
    "version": ("pool_worker.cli.version:version", "Show the release of Model Pool."),
}


class CommandTable(TyperGroup):
    """Commands that are known by name and one line of help until one is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands.update({name: TyperCommand(name, callback=None, help=line) for name, (_, line) in COMMANDS.items()})
        add_global_options(self)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself in place of its line of help."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(str(command.name)), rest


def load_command(name: str) -> Any:
    """Import a command of the table."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command = typer.main.get_group(found) if found.registered_callback else typer.main.get_command(found)
    else:
        single = typer.Typer(add_completion=False)
        single.command(name)(found)
        command = typer.main.get_command(single)
    command.name = name
    add_global_options(command)
    return command


app = typer.Typer(
    cls=CommandTable,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
def model_pool() -> None:
    """Turn many small LLM quotas into one large, dependable one."""


def main() -> None:
    """Run the command line; the one place where errors become messages and exit codes."""
    try:
        code = app(prog_name="model-pool", standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - the edge: nobody should ever see a traceback
        code = import_module("pool_worker.cli.error_edge").report(error)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
