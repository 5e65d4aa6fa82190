"""`model-pool worker`, `beat`, `flower`: the parts of the system, each in the foreground, for those who run them themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, NoReturn

import typer

from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker.cli.celery_commands import beat_module, flower_module, worker_module
from pool_worker.cli.environment import environment_of
from pool_worker.cli.running import connected_settings
from pool_worker.config import load_registry
from pool_worker.settings import Settings

LOCALHOST = "127.0.0.1"


def worker(
    *,
    queues: Annotated[str | None, typer.Option(metavar="A,B", help="Queues to serve; by default every one.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, max=10_000, help="Jobs in flight (MODEL_POOL_CONCURRENCY).")] = None,
    name: Annotated[str | None, typer.Option(help="Its name, unique on this host.")] = None,
) -> None:
    """Run one worker, in the foreground. Ctrl-C or SIGTERM: it finishes its jobs and leaves."""
    settings = connected_settings(Settings())
    registry = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
    chosen = chosen_queues(queues, (*registry.queues(), MAINTENANCE_QUEUE))
    level = settings.log_level
    _become(
        worker_module(queues=chosen, name=name or f"worker-{os.getpid()}", concurrency=concurrency, log_level=level), settings
    )


def beat() -> None:
    """Run the clock that starts what is to be done regularly. Several may run: one is active, the others take over."""
    settings = connected_settings(Settings())
    _become(beat_module(log_level=settings.log_level), settings)


def flower(
    *,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Its port.")] = 5555,
    address: Annotated[str, typer.Option(help="Where it listens; it asks nobody for a password.")] = LOCALHOST,
) -> None:
    """Run Flower, Celery's monitor: a web page with queues, workers and tasks."""
    _become(flower_module(port=port, address=address), connected_settings(Settings()))


def chosen_queues(text: str | None, there: Sequence[str]) -> Sequence[str]:
    """The queues that `--queues` asks for; a pattern such as `premium.*` may match none.

    Raises:
        typer.BadParameter: if a name is no queue's; it says which there are.
    """
    if text is None:
        return there
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    chosen = [queue for queue in there if any(fnmatchcase(queue, name) for name in wanted)]
    unknown = [name for name in wanted if "*" not in name and name not in there]
    if unknown or not chosen:
        problem = f"no such queue: {', '.join(unknown)}" if unknown else "names no queue"
        msg = f"{problem}; there are {', '.join(there)}"
        raise typer.BadParameter(msg, param_hint="--queues")
    return chosen


def _become(module: Sequence[str], settings: Settings) -> NoReturn:
    """Turn this process into a Python module's, so that signals reach it and nothing else runs."""
    os.execve(sys.executable, [sys.executable, "-m", *module], environment_of(settings))  # noqa: S606 - our own modules
