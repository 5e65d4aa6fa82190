"""`model-pool demo`: the whole system on this machine for half a minute, under load, with an account at the end."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from pool_worker.cli.terminal import out


def demo(
    *,
    real: Annotated[
        bool | None, typer.Option("--real/--simulated", help="Real or simulated providers; by default real if .env has keys.")
    ] = None,
) -> None:
    """Show the whole system at work on this machine; it cleans up after itself. Exit code 1 if anything did not hold."""
    out.print("[bold]Model Pool[/]: many small LLM quotas as one large, dependable one.")
    import_module("pool_worker.cli.demo.showing").run(real=real)  # here, for it takes a second: nobody is left without a word
