"""`model-pool status`: what the pool is doing now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer
from rich.live import Live

from pool_client.errors import PoolUnavailableError
from pool_worker.cli.json_output import print_json_object
from pool_worker.cli.reaching import reach
from pool_worker.cli.screen import show
from pool_worker.cli.status.beat import beat_is_starting
from pool_worker.cli.status.facts import PoolStatus
from pool_worker.cli.status.reading import StatusReader
from pool_worker.cli.status.view import status_view
from pool_worker.cli.terminal import CommandError, out
from pool_worker.config import load_registry

REFRESH_S = 1.0


def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it anew each second, until Ctrl-C.")] = False,
    keys: Annotated[bool, typer.Option("--keys", help="Show each key, also where a provider has many.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what the pool is doing now: queues, jobs in flight and parked, workers, keys, holds and money. Changes nothing."""
    settings = reach()
    registry = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
    with StatusReader(str(settings.redis_url), registry) as reader:

        def read() -> PoolStatus:
            found = reader.read()
            starts = not found.beat_is_active and beat_is_starting(settings.home, now=found.at)
            return replace(found, beat_is_starting=starts)

        if as_json:
            print_json_object(read())
        elif watch:
            _watch(read, each_key=keys)
        else:
            show(status_view(read(), each_key=keys))


def _watch(read: Callable[[], PoolStatus], *, each_key: bool) -> None:
    if not out.is_terminal:
        msg = "--watch needs a terminal; without it the status is shown once, and --json is for programs"
        raise CommandError(msg, exit_code=2)
    view = status_view(read(), each_key=each_key)
    try:
        with Live(view, console=out, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                time.sleep(REFRESH_S)
                try:
                    view = status_view(read(), each_key=each_key)
                except PoolUnavailableError as error:
                    view = str(error)
                live.update(view, refresh=True)
    except KeyboardInterrupt:
        pass
    out.print(view)
