"""`model-pool models reload`: have all workers read the configuration files again, and say who did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from pool_client.redis_connection import connect_async, redis_errors
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.models.known import known_registry
from pool_worker.cli.reaching import reach
from pool_worker.cli.terminal import as_typed, err, out
from pool_worker.registry import Registry
from pool_worker.rollout.orders import order_reload
from pool_worker.rollout.presence import Presence
from pool_worker.rollout.waiting import WAIT_S, wait_for_workers


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of it at one worker."""

    worker: str
    taken: bool
    why_not: str | None = None


def reload_command(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Have all workers read the configuration files again. With a mistake in them nothing is changed."""
    settings = reach()
    registry = known_registry(settings)
    url = str(settings.redis_url)
    with redis_errors(url):
        number, workers = asyncio.run(_reload(url))
    outcomes = [_outcome(worker, number) for worker in workers]
    if as_json:
        print_json_list(outcomes)
    else:
        _show(outcomes)
    for note in _unserved(registry, workers):
        err.print(note, style="yellow", markup=False)
    if not all(outcome.taken for outcome in outcomes):
        raise typer.Exit(1)


async def _reload(url: str) -> tuple[int, Sequence[Presence]]:
    """The reload's number, and the workers when all had read, or when waiting for them was over."""
    async with connect_async(url) as client:
        number = await order_reload(client)
        return number, await wait_for_workers(client, lambda worker: worker.reloads >= number)


def _outcome(worker: Presence, number: int) -> Taken:
    if worker.reloads < number:
        return Taken(worker.name, taken=False, why_not=f"it has not answered within {WAIT_S:.0f} s: it is busy, gone, or older")
    if worker.trouble:
        return Taken(worker.name, taken=False, why_not=f"it keeps the one it has, for where it runs\n{worker.trouble}")
    return Taken(worker.name, taken=True)


def _show(outcomes: Sequence[Taken]) -> None:
    if not outcomes:
        out.print("no worker is running; one that starts reads the configuration anyway")
        return
    taken = sum(outcome.taken for outcome in outcomes)
    of_all = "" if taken == len(outcomes) else f" of {len(outcomes)}"
    out.print(f"the new configuration was taken by {taken}{of_all} {'worker' if len(outcomes) == 1 else 'workers'}")
    for outcome in outcomes:
        if outcome.why_not:
            err.print(f"not by {outcome.worker}: {outcome.why_not}", style="red", markup=False)


def _unserved(registry: Registry, workers: Sequence[Presence]) -> Iterator[str]:
    """Providers that could be called if there were a worker for them."""
    served = {queue for worker in workers for queue in worker.queues}
    for provider in registry.providers.values() if workers else ():
        has_key = provider.id in registry.keyed_providers or not provider.needs_key
        if provider.enabled and has_key and provider.queue not in served:
            mend = f"start the workers again, or one with `{as_typed(f'worker --queues {provider.queue}')}` and reload once more"
            yield f"{provider.id} is not used: no worker serves its queue {provider.queue}; {mend}"
