"""`--redis`, `--home` and `--config`: accepted before and after every command, they override the environment.

They become `MODEL_POOL_` variables of this process, so that settings and child processes read them without being told. Folders
become absolute, for hints are read in other terminals.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

_given: dict[str, str] = {}
"""Variable → flag, of those that came from the command line, not from the environment. One process is one command line."""


def _as_variable(name: str, *, flag: str, is_folder: bool) -> Any:
    def set_variable(ctx: typer.Context, value: str | None) -> None:
        if value is not None and not ctx.resilient_parsing:
            os.environ[name] = os.path.abspath(Path(value).expanduser()) if is_folder else value  # noqa: PTH100 - folds `..`
            _given[name] = flag

    return set_variable


def _option(flag: str, metavar: str, text: str, *, variable: str) -> Any:
    return typer.Option(
        flag,
        metavar=metavar,
        help=f"{text} ({variable})",
        callback=_as_variable(variable, flag=flag, is_folder=metavar == "DIR"),
        expose_value=False,
        rich_help_panel="Everywhere",
    )


REDIS = _option("--redis", "URL", "The Redis to use", variable="MODEL_POOL_REDIS_URL")
HOME = _option("--home", "DIR", "Folder of the embedded data", variable="MODEL_POOL_HOME")
CONFIG = _option("--config", "DIR", "Folder of the configuration", variable="MODEL_POOL_CONFIG_DIR")


@cache
def _global_options() -> tuple[Any, ...]:
    template = typer.Typer(add_completion=False)

    @template.command()
    def everywhere(
        redis: Annotated[str | None, REDIS] = None,
        home: Annotated[str | None, HOME] = None,
        config: Annotated[str | None, CONFIG] = None,
    ) -> None:
        """Carry the options."""

    return tuple(typer.main.get_command(template).params)


def add_global_options(command: Any) -> None:
    """Let a command, and the commands of a group, take the options too."""
    command.params.extend(_global_options())
    for child in getattr(command, "commands", {}).values():
        if child.callback is not None:
            add_global_options(child)


def was_given(variable: str) -> bool:
    """Whether the command line itself named this variable's value."""
    return variable in _given


def given_options() -> dict[str, str]:
    """Flag → value of those of these options that stand on the command line."""
    return {flag: os.environ[name] for name, flag in _given.items()}
