"""`model-pool capacity`: what the pool can do."""

from __future__ import annotations

from typing import Annotated

import typer

from pool_worker.cli.capacity.view import capacity_view
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.reaching import reach, starter
from pool_worker.cli.screen import show
from pool_worker.cli.status.reading import StatusReader
from pool_worker.cli.terminal import CommandError, as_typed
from pool_worker.config import load_registry
from pool_worker.overview.capacity import capacities


def capacity(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Show how many requests and tokens the pool can do per minute and per day, what is left, and when more comes."""
    settings = reach()
    registry = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
    with StatusReader(str(settings.redis_url), registry) as reader:
        overview = reader.overview()
    if not any(provider.keys for provider in overview.providers):
        msg = (
            f"no worker has told this Redis yet which keys there are. To start one: {as_typed(starter(str(settings.redis_url)))}"
        )
        raise CommandError(msg)
    found = capacities(overview.providers)
    if as_json:
        print_json_list(found)
    else:
        show(capacity_view(found, at=overview.at))
