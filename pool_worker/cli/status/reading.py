"""Reads the pool's status from Redis: some pipelines of reads, a few milliseconds, changing nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import redis.asyncio

from pool_client.redis_connection import connect_async, redis_errors, shown
from pool_worker import redis_keys
from pool_worker.cli.status.budgets import budgets_to_show
from pool_worker.cli.status.facts import PoolStatus, Worker
from pool_worker.cli.status.parked import read_parked
from pool_worker.overview.holds import read_holds
from pool_worker.overview.keys import enrolled_keys, read_key_use
from pool_worker.overview.probation import read_probations
from pool_worker.overview.queues import read_queues
from pool_worker.overview.reading import Overview, read_lowered_scores, read_overview
from pool_worker.registry import Registry
from pool_worker.rollout.orders import read_orders
from pool_worker.rollout.presence import read_presences


class StatusReader:
    """Reads again and again over one connection; for synchronous code. Under asyncio, call `read_status`."""

    def __init__(self, url: str, registry: Registry) -> None:
        self._url = url
        self._registry = registry
        self._runner = asyncio.Runner()
        self._client = connect_async(url)

    def read(self) -> PoolStatus:
        """The status now.

        Raises:
            PoolUnavailableError: if Redis does not answer.
        """
        with redis_errors(self._url):
            return replace(self._runner.run(read_status(self._client, self._registry)), redis=shown(self._url))

    def overview(self) -> Overview:
        """How every provider and key stands now. Raises as `read` does."""
        with redis_errors(self._url):
            return self._runner.run(self._overview())

    async def _overview(self) -> Overview:
        orders = await read_orders(self._client)
        return await read_overview(self._client, replace(self._registry, disabled=orders.disabled))

    def close(self) -> None:
        """Close the connection."""
        self._runner.run(self._client.aclose())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


async def read_status(client: redis.asyncio.Redis, registry: Registry) -> PoolStatus:
    """The status of the pool that workers with this registry serve; its keys are those that the workers enrolled.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    registry = replace(registry, keys=await enrolled_keys(client, registry))
    queues = await read_queues(client, registry.queues())
    workers = await _workers(client)
    async with client.pipeline(transaction=False) as pipe:
        pipe.zcard(redis_keys.LEASES)
        pipe.hlen(redis_keys.UNACKED)
        pipe.exists(redis_keys.BEAT_LOCK)
        pipe.xlen(redis_keys.OUTBOX)
        pipe.zcard(redis_keys.DEAD_LETTERS)
        pipe.time()
        calls, claimed, beat, rows, dead, (seconds, _) = await pipe.execute()
    holds = await read_holds(client, registry)
    served = {queue for worker in workers for queue in worker.queues}
    return PoolStatus(
        at=datetime.fromtimestamp(int(seconds), UTC),
        redis="",
        queues=queues,
        calls_in_flight=calls,
        claimed=claimed,
        parked=await read_parked(client),
        workers=workers,
        beat_is_active=bool(beat),
        keys=await read_key_use(client, registry),
        holds=tuple(holds.values()),
        on_probation=await read_probations(client, registry, held=holds),
        scores=await read_lowered_scores(client, registry),
        budgets=await budgets_to_show(client, registry),
        outbox_rows=rows,
        dead_letters=dead,
        unserved_queues=tuple(queue.queue for queue in queues if queue.total and queue.queue not in served),
    )


async def _workers(client: redis.asyncio.Redis) -> tuple[Worker, ...]:
    return tuple(Worker(it.name, it.pid, it.since, it.queues) for it in await read_presences(client))
