"""What the jobs of one worker process share: connections, the registry, the keys' secrets. Opened once, on the worker's loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import httpx2
import redis
import redis.asyncio
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pool_client import redis_keys as shared_keys
from pool_client.errors import ConfigurationError, JobCancelledError
from pool_client.redis_connection import DEFAULT_URL, async_pool, connect
from pool_worker import redis_keys
from pool_worker.batching_redis import BatchingRedis
from pool_worker.beside import running_beside
from pool_worker.broker.jobs import Jobs
from pool_worker.budget import EVERYBODY, agent_scope, spent_fractions
from pool_worker.cache import Flights
from pool_worker.config import load_registry
from pool_worker.errors import SecretMissingError
from pool_worker.health.scores import read_availability
from pool_worker.ledger.database import open_database
from pool_worker.ledger.models import publish_models
from pool_worker.ledger.schema import migrate
from pool_worker.limits.clock import ClockError
from pool_worker.limits.enroll import enroll
from pool_worker.limits.performance import Performance, performance_of
from pool_worker.limits.token_history import TokenHistory, read_token_history
from pool_worker.lua import load_scripts
from pool_worker.providers.http import open_http
from pool_worker.registry import Key, Provider, Registry
from pool_worker.rollout.orders import Orders, read_orders
from pool_worker.rollout.presence import Presence, read_presences, say_alive
from pool_worker.rollout.publishing import publish
from pool_worker.rollout.taking_over import take_over
from pool_worker.rollout.trouble import tell_over, tell_trouble
from pool_worker.routing.strategy import BY_PRIORITY, Strategy
from pool_worker.settings import Settings
from pool_worker.strategies import load_strategy
from pool_worker.vault import Vault, master_keys

HEARTBEAT_S = 10.0
SECRET_MISSING_FOR = timedelta(seconds=10)
LOOK_EVERY_S = 2.0
READY_AT_ONCE = 4
"""Two keep Redis waiting (half the jobs per second); eight make a job that fails over wait twice as long behind new ones."""
REDIS_CONNECTIONS = 64
"""A command takes well under a millisecond, so a few serve many jobs; the others wait for one."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Books:
    """Blocking connections for what runs in threads: writing the ledger."""

    redis: redis.Redis
    engine: Engine

    def close(self) -> None:
        """Close both."""
        self.redis.close()
        self.engine.dispose()


@dataclass
class Resources:
    """Everything that completing a job needs."""

    settings: Settings
    registry: Registry
    secrets: Mapping[str, str] = field(repr=False)
    """Key id → secret, of the providers that this worker serves."""
    served_queues: frozenset[str]
    planned_queues: frozenset[str]
    """Of the configuration with which it was started; somebody serves them."""
    presence: Presence
    """What it says of itself."""
    redis: redis.asyncio.Redis
    http: httpx2.AsyncClient
    jobs: Jobs
    books: Books
    flights: Flights
    gate: asyncio.Semaphore
    """So many jobs get ready at a time; see `pool_worker.completion.turn`."""
    spent: Mapping[str, Decimal] = field(default_factory=dict)
    """Budget scope → share of it that is spent; see `look_around`."""
    token_history: TokenHistory = field(default_factory=TokenHistory)
    """What calls have taken; see `look_around`."""
    strategy: Strategy = BY_PRIORITY
    """How candidates are ordered."""
    performance: Performance = field(default_factory=Performance)
    """How well each model has answered of late; see `look_around`."""
    availability: Mapping[str, float] = field(default_factory=dict)
    """Provider id → 0 (left alone now) to 1 (well), of those that are not well; see `look_around`."""
    hedges_saved: float = 0.0
    """How many calls may be hedged now; see `pool_worker.completion.hedging`."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    random: Callable[[], float] = random.random
    _published: Registry | None = None
    _under_way: dict[str, asyncio.Task[object]] = field(default_factory=dict)
    _cancelled: set[str] = field(default_factory=set)

    @contextmanager
    def under_way(self, job_id: str) -> Iterator[None]:
        """While a job is being worked on, its caller may cancel it.

        Raises:
            JobCancelledError: in place of `asyncio.CancelledError`, if its caller cancelled it, not the worker that leaves.
        """
        task = asyncio.current_task()
        assert task is not None, "jobs run as tasks of the loop"  # noqa: S101
        self._under_way[job_id] = task
        try:
            yield
        except asyncio.CancelledError:
            if job_id not in self._cancelled:
                raise
            task.uncancel()
            raise JobCancelledError from None
        finally:
            self._under_way.pop(job_id, None)
            self._cancelled.discard(job_id)

    def cancel(self, job_id: str) -> None:
        """Stop working on a job of ours, if it is one, because its caller wants no answer any more."""
        if task := self._under_way.get(job_id):
            self._cancelled.add(job_id)
            task.cancel()

    def spent_fraction(self, agent: str) -> Decimal:
        """Share of the day's money that is spent, everybody's or this agent's, whichever is more; as of some seconds ago."""
        return max(self.spent.get(scope, Decimal(0)) for scope in (EVERYBODY, agent_scope(agent)))

    async def look_around(self) -> None:
        """Bring `spent`, `token_history`, `performance`, `availability` and the registry up to date."""
        self.spent, self.token_history, self.performance, self.availability, orders = await asyncio.gather(
            spent_fractions(self.redis, self.registry),
            read_token_history(self.redis),
            self._read_performance(),
            read_availability(self.redis, self.registry.providers),
            read_orders(self.redis),
        )
        await self.follow(orders)

    async def follow(self, orders: Orders) -> None:
        """Do what a person has told all workers since the last look, and tell callers what has changed by it.

        Raises:
            redis.RedisError: if Redis cannot be reached or refuses; the next look makes up for it.
        """
        if orders.disabled != self.registry.disabled:
            self.registry = replace(self.registry, disabled=orders.disabled)
        if orders.reloads != self.presence.reloads:
            await self._reload(orders.reloads)
        if self._published is not self.registry:
            registry = self.registry
            await publish(self.redis, registry)
            self._published = registry

    async def _reload(self, reloads: int) -> None:
        """Take the configuration as its files say now; if they have mistakes, keep the present one and tell."""
        was = self.presence
        try:
            read = await asyncio.to_thread(_read_configuration, self.settings)
            self.strategy = load_strategy(read.rules.strategy)
        except ConfigurationError as error:
            await tell_trouble(self.redis, error, worker=was.name, reloads=reloads, now=self.now())
            self.presence = replace(was, reloads=reloads, trouble=str(error))
        else:
            await self._take(read)
            if was.trouble:
                await tell_over(self.redis, was, now=self.now())
            self.presence = replace(was, reloads=reloads, trouble="")
        await say_alive(self.redis, self.presence)

    async def _take(self, read: Registry) -> None:
        served = {queue for worker in await read_presences(self.redis) for queue in worker.queues}
        self.registry = take_over(read, self.registry, served=self.planned_queues | served)
        await self.enroll()
        try:
            await asyncio.to_thread(publish_models, self.books.engine, self.registry)
        except SQLAlchemyError as error:
            logger.warning("the table of models is not brought up to date: %s", type(error).__name__)

    async def _read_performance(self) -> Performance:
        entries = cast("dict[str, str]", await self.redis.hgetall(redis_keys.PERFORMANCE))
        return performance_of(entries, now=self.now())

    async def secret_of(self, provider: Provider, key_id: str) -> str:
        """The secret of a key; "" for a provider that needs none.

        Another worker may have enrolled a key that was added after this one had read the vault: then it is read again.

        Raises:
            SecretMissingError: if it is not there, or the vault's database is away.
        """
        if not provider.needs_key:
            return ""
        if key_id not in self.secrets:
            await self._read_vault_again(key_id)
        return self.secrets[key_id]

    async def _read_vault_again(self, key_id: str) -> None:
        served = served_providers(self.registry, self.served_queues)
        try:
            keys, self.secrets = await asyncio.to_thread(_open_vault, self.settings, self.registry, served)
        except (SQLAlchemyError, ConfigurationError) as error:
            why = f"the vault cannot be read now ({type(error).__name__})"
            raise self._secret_missing(why) from None
        self.registry = replace(self.registry, keys=keys)
        if key_id not in self.secrets:
            why = f"{key_id} is not in the vault"
            raise self._secret_missing(why)

    def _secret_missing(self, reason: str) -> SecretMissingError:
        """The key is left alone for a fixed time: other workers may be able to read its secret."""
        return SecretMissingError(reason, retry_at=self.now() + SECRET_MISSING_FOR)

    async def enroll(self) -> None:
        """Tell Redis which keys there are; also after Redis was emptied."""
        await enroll(self.redis, self.registry)


def served_providers(registry: Registry, queues: frozenset[str]) -> frozenset[str]:
    """The providers that a worker of these queues calls."""
    return frozenset(provider.id for provider in registry.providers.values() if provider.queue in queues)


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
    served = served_providers(registry, served_queues)
    keys, secrets = await asyncio.to_thread(_open_vault, settings, registry, served)
    async with AsyncExitStack() as stack:
        url = settings.redis_url or DEFAULT_URL
        books = Books(connect(url, decode=False), open_database(settings.ledger_url))
        stack.callback(books.close)
        client = _connect(url)
        stack.push_async_callback(client.aclose)
        resources = Resources(
            settings=settings,
            registry=replace(registry, keys=keys),
            secrets=secrets,
            served_queues=served_queues,
            planned_queues=frozenset(registry.queues()),
            presence=Presence(worker, os.getpid(), tuple(sorted(served_queues)), datetime.now(UTC)),
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
        await resources.enroll()
        await resources.follow(await read_orders(client))
        await say_alive(client, resources.presence)
        for background in (_stay_alive(resources), _listen(resources), _keep_looking(resources)):
            await stack.enter_async_context(running_beside(background))
        yield resources


def _connect(url: str) -> redis.asyncio.Redis:
    return BatchingRedis.from_pool(async_pool(url, max_connections=REDIS_CONNECTIONS))


def _read_configuration(settings: Settings) -> Registry:
    return load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)


def _open_vault(settings: Settings, registry: Registry, providers: frozenset[str]) -> tuple[tuple[Key, ...], Mapping[str, str]]:
    engine = open_database(settings.ledger_url)
    try:
        migrate(engine)
        publish_models(engine, registry)
        vault = Vault(engine, master_keys(settings), actor="worker")
        return vault.list(), vault.secrets(providers)
    finally:
        engine.dispose()


async def _stay_alive(resources: Resources) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        with contextlib.suppress(redis.RedisError):
            await say_alive(resources.redis, resources.presence)


async def _keep_looking(resources: Resources) -> None:
    """Keep what is known of money, tokens, models, providers and the registry fresh, so that no job has to ask."""
    while True:
        with contextlib.suppress(redis.RedisError, ClockError):
            await resources.look_around()
        await asyncio.sleep(LOOK_EVERY_S)


async def _listen(resources: Resources) -> None:
    """Stop jobs whose callers cancelled them while they run here; tell those who wait for another job that it has its answer."""
    told = {shared_keys.CANCEL_CHANNEL: resources.cancel, redis_keys.LANDINGS: resources.flights.heard}
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
