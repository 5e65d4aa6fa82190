"""Telling the workers that run that keys have changed in the vault, and people whether they have followed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import redis
import redis.asyncio

from pool_client.redis_connection import connection_options
from pool_worker.cli.terminal import err
from pool_worker.health.renewed import start_anew
from pool_worker.rollout.following import WAIT_S, wait_for_workers
from pool_worker.rollout.orders import order_keys
from pool_worker.rollout.presence import Presence
from pool_worker.settings import Settings


def tell_workers(settings: Settings, *, renewed: Collection[str] = ()) -> None:
    """Have all workers read their keys again, and say who did; `renewed` are the ids of those with a new secret."""
    try:
        number, workers = asyncio.run(_tell(str(settings.redis_url), renewed))
    except (redis.RedisError, OSError):
        err.print("no worker was told, for no Redis answers: those that run read it when they start again", style="dim")
        return
    late = [worker for worker in workers if worker.key_changes < number]
    if workers and not late:
        err.print(f"{len(workers)} {'worker has' if len(workers) == 1 else 'workers have'} taken it", style="dim")
    for worker in late:
        why = worker.keys_trouble or f"it has not answered within {WAIT_S:.0f} s"
        err.print(f"not taken by {worker.name} yet: {why}", style="yellow", markup=False)


async def _tell(url: str, renewed: Collection[str]) -> tuple[int, Sequence[Presence]]:
    async with redis.asyncio.Redis.from_url(url, **connection_options(asynchronous=True)) as client:
        for key_id in renewed:
            await start_anew(client, key_id, now=datetime.now(UTC))
        number = await order_keys(client)
        return number, await wait_for_workers(client, lambda worker: worker.key_changes >= number)
