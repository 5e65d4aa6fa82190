"""Telling the workers that run that keys have changed in the vault, and people whether they have followed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

import redis
import redis.asyncio

from pool_client.redis_connection import connect_async
from pool_worker.cli.running import find_running
from pool_worker.cli.terminal import err
from pool_worker.health.renewed import start_anew
from pool_worker.rollout.orders import order_keys
from pool_worker.rollout.presence import Presence
from pool_worker.rollout.waiting import WAIT_S, wait_for_workers
from pool_worker.settings import Settings

NOBODY: Mapping[str, str] = MappingProxyType({})
RENEWED = "has a new secret"


def tell_workers(settings: Settings, *, renewed: Mapping[str, str] = NOBODY) -> None:
    """Have all workers read their keys again, and say who did; `renewed`: see `have_workers_read`."""
    numbers: list[int] = []

    def has_followed(worker: Presence) -> bool:
        return worker.key_changes >= numbers[0]

    try:
        workers = have_workers_read(settings, has_followed, renewed=renewed, told=numbers.append)
    except (redis.RedisError, OSError):
        err.print("no worker was told, for no Redis answers: those that run have it when they start again", style="yellow")
        return
    late = [worker for worker in workers if not has_followed(worker)]
    if workers and not late:
        err.print(f"{len(workers)} {'worker has' if len(workers) == 1 else 'workers have'} taken it", style="dim")
    for worker in late:
        why = worker.keys_trouble or f"it has not answered within {WAIT_S:.0f} s"
        err.print(f"not taken by {worker.name} yet: {why}", style="yellow", markup=False)


def have_workers_read(
    settings: Settings,
    has_done: Callable[[Presence], bool],
    *,
    renewed: Mapping[str, str] = NOBODY,
    told: Callable[[int], object] = lambda _: None,
) -> Sequence[Presence]:
    """Have all workers read their keys again; the workers when all have done something, or when waiting was over.

    Nobody is told where no Redis was named and nothing runs on this home: the one that answers is somebody else's.

    Args:
        settings: Where the workers are.
        has_done: What is waited for.
        renewed: The ids of the keys that start anew, each with the reason: "has a new secret".
        told: Called with the number of the change, before anything is waited for.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """

    async def tell() -> Sequence[Presence]:
        async with connect_async(str(settings.redis_url)) as client:
            for key_id, because in renewed.items():
                await start_anew(client, key_id, because=because, now=datetime.now(UTC))
            told(await order_keys(client))
            return await wait_for_workers(client, has_done)

    is_guess = Settings().redis_url is None and not find_running(settings.home)
    return () if is_guess else asyncio.run(tell())
