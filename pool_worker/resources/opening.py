"""Opening the resources of a worker process, and what runs beside its jobs as long as they are open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import redis
import redis.asyncio

from pool_client import redis_keys as shared_keys
from pool_client.redis_connection import DEFAULT_URL, async_pool, connect
from pool_worker import redis_keys
from pool_worker.batching_redis import BatchingRedis
from pool_worker.beside import running_beside
from pool_worker.broker.jobs import Jobs
from pool_worker.cache import Flights
from pool_worker.ledger.database import open_database
from pool_worker.limits.clock import ClockError
from pool_worker.limits.enroll import enroll
from pool_worker.lua import load_scripts
from pool_worker.providers.http import open_http
from pool_worker.registry import Registry
from pool_worker.resources.following import follow, look_around
from pool_worker.resources.keyring import read_keyring
from pool_worker.resources.money import know_spending
from pool_worker.resources.shared import Books, Resources
from pool_worker.rollout.orders import read_orders
from pool_worker.rollout.presence import Presence, say_alive, say_goodbye
from pool_worker.settings import Settings
from pool_worker.strategies import load_strategy

HEARTBEAT_S = 10.0
LOOK_EVERY_S = 2.0
LEAVE_WITHIN_S = 2.0
"""If Redis is away, the worker will be missed."""
READY_AT_ONCE = 4
"""Two keep Redis waiting (half the jobs per second); eight make a job that fails over wait twice as long behind new ones."""
REDIS_CONNECTIONS = 64
"""A command takes well under a millisecond, so a few serve many jobs; the others wait for one."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_resources(
    settings: Settings, registry: Registry, *, served_queues: frozenset[str], worker: str
) -> AsyncIterator[Resources]:
    """Open everything, tell Redis that this worker is there, and close it all at the end.

    Raises:
        ConfigurationError: if the vault's master key is wrong, a URL is no URL, or the strategy cannot be loaded.
        redis.RedisError: if Redis cannot be reached.
    """
    strategy = load_strategy(registry.rules.strategy)
    async with AsyncExitStack() as stack:
        url = settings.redis_url or DEFAULT_URL
        client = _connect(url)
        stack.push_async_callback(client.aclose)
        orders = await read_orders(client)  # before the vault is: what changes there meanwhile is read again
        read = await asyncio.to_thread(read_keyring, settings, registry, served_queues=served_queues, worker=worker)
        books = Books(connect(url, decode=False), open_database(settings.ledger_url))
        stack.callback(books.close)
        presence = Presence(
            worker,
            os.getpid(),
            tuple(sorted(served_queues)),
            datetime.now(UTC),
            key_changes=orders.key_changes,
            master_keys=read.master_keys,
        )
        resources = Resources(
            settings=settings,
            registry=replace(registry, keys=read.keys),
            secrets=read.secrets,
            served_queues=served_queues,
            planned_queues=frozenset(registry.queues()),
            presence=presence,
            redis=client,
            http=await stack.enter_async_context(open_http(concurrency=settings.concurrency)),
            jobs=Jobs(client, worker=worker),
            books=books,
            flights=Flights(client),
            gate=asyncio.Semaphore(READY_AT_ONCE),
            strategy=strategy,
        )
        rooms = ("broker", "cache", "completion", "health", "limits")
        await load_scripts(client, *(f"pool_worker.{room}" for room in rooms))
        await enroll(client, resources.registry)
        await follow(orders, resources)
        await know_spending(resources)
        await say_alive(client, resources.presence)
        stack.push_async_callback(_leave, resources)
        for background in (_stay_alive(resources), _listen(resources), _keep_looking(resources)):
            await stack.enter_async_context(running_beside(background))
        yield resources


def _connect(url: str) -> redis.asyncio.Redis:
    return BatchingRedis.from_pool(async_pool(url, max_connections=REDIS_CONNECTIONS))


async def _stay_alive(resources: Resources) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        with contextlib.suppress(redis.RedisError):
            await say_alive(resources.redis, resources.presence)


async def _leave(resources: Resources) -> None:
    with contextlib.suppress(redis.RedisError, TimeoutError):
        async with asyncio.timeout(LEAVE_WITHIN_S):
            await say_goodbye(resources.redis, resources.presence)


async def _keep_looking(resources: Resources) -> None:
    """Keep what is known of money, tokens, models, providers and the registry fresh, so that no job has to ask."""
    while True:
        with contextlib.suppress(redis.RedisError, ClockError):
            await look_around(resources)
        await asyncio.sleep(LOOK_EVERY_S)


async def _listen(resources: Resources) -> None:
    """Stop jobs whose callers cancelled them while they run here; tell those who wait for another job that it has its answer."""
    told = {shared_keys.CANCEL_CHANNEL: resources.under_way.cancel, redis_keys.LANDINGS: resources.flights.heard}
    while True:
        try:
            async with resources.redis.pubsub() as listener:
                await listener.subscribe(*told)
                while True:
                    message = await listener.get_message(ignore_subscribe_messages=True, timeout=HEARTBEAT_S)
                    if message:
                        told[message["channel"]](message["data"])
        except redis.RedisError as error:
            logger.warning("not listening for cancels and landings for a moment: %s", error)
            await asyncio.sleep(1)
