"""The resources of one worker process, and keeping them up to date."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import httpx2
import redis
import redis.asyncio
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pool_client.errors import ConfigurationError
from pool_worker import redis_keys
from pool_worker.broker.jobs import Jobs
from pool_worker.budget import EVERYBODY, agent_scope, spent_fractions
from pool_worker.cache import Flights
from pool_worker.config import load_registry
from pool_worker.errors import SecretMissingError
from pool_worker.health.scores import read_availability
from pool_worker.ledger.models import publish_models
from pool_worker.limits.enroll import enroll
from pool_worker.limits.performance import Performance, performance_of
from pool_worker.limits.token_history import TokenHistory, read_token_history
from pool_worker.registry import Provider, Registry
from pool_worker.resources.keyring import read_keyring, served_providers
from pool_worker.resources.money import know_spending, tell_unknown_prices
from pool_worker.resources.under_way import UnderWay
from pool_worker.rollout.orders import Orders, read_orders
from pool_worker.rollout.presence import Presence, read_presences, say_alive
from pool_worker.rollout.publishing import publish
from pool_worker.rollout.taking_over import take_over, what_changed
from pool_worker.rollout.trouble import tell_over, tell_trouble
from pool_worker.routing.strategy import BY_PRIORITY, Strategy
from pool_worker.settings import Settings
from pool_worker.strategies import load_strategy

SECRET_MISSING_FOR = timedelta(seconds=10)

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
    under_way: UnderWay = field(default_factory=UnderWay)
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
    following: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while orders are followed."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    random: Callable[[], float] = random.random
    _published: Registry | None = None
    _unpriced: frozenset[str] = frozenset()
    """Ids of the models of unknown price that were told of."""

    def spent_fraction(self, agent: str) -> Decimal:
        """Share of the day's money that is spent, everybody's or this agent's, whichever is more; as of some seconds ago."""
        return max(self.spent.get(scope, Decimal(0)) for scope in (EVERYBODY, agent_scope(agent)))

    async def look_around(self) -> None:
        """Bring `spent`, `token_history`, `performance`, `availability` and the registry up to date; the budgets, if need be."""
        await know_spending(self.redis, self.books.engine, timezone=self.registry.budget.timezone)
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
        async with self.following:
            if orders.disabled != self.registry.disabled:
                self.registry = replace(self.registry, disabled=orders.disabled)
            if orders.key_changes != self.presence.key_changes:
                await self._take_keys(orders.key_changes)
            if orders.reloads != self.presence.reloads:
                await self._reload(orders.reloads)
            if self._published is not self.registry:
                registry = self.registry
                self._unpriced = tell_unknown_prices(registry, told=self._unpriced)
                await publish(self.redis, registry)
                self._published = registry

    async def _take_keys(self, key_changes: int) -> None:
        """Take the keys as the vault has them now; while it cannot be read the present ones are kept."""
        was = self.presence
        try:
            await self._read_vault()
        except (SQLAlchemyError, ConfigurationError) as error:
            trouble = str(error) if isinstance(error, ConfigurationError) else f"the database is away ({type(error).__name__})"
            self.presence = replace(was, keys_trouble=trouble)
            if trouble != was.keys_trouble:
                logger.warning("keys have changed in the vault, and this worker cannot read them: %s", trouble)
        else:
            await self._begin_anew()
            self.presence = replace(self.presence, key_changes=key_changes, keys_trouble="")
            logger.info("keys have changed in the vault: %d of %d may be used here", len(self.secrets), len(self.registry.keys))
        await say_alive(self.redis, self.presence)

    async def _begin_anew(self) -> None:
        """Keys, limits or budgets are others now: who waits may be served, and a new budget counts what was spent today."""
        await self.enroll()
        await know_spending(self.redis, self.books.engine, timezone=self.registry.budget.timezone, again=True)
        for provider in served_providers(self.registry, self.served_queues):
            await self.jobs.hasten(provider)

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
        before = self.registry
        self.registry = take_over(read, before, served=self.planned_queues | served)
        await self._begin_anew()
        # A warning, as workers of `up` log nothing less.
        logger.warning("%s has taken the configuration as it is now: %s", self.presence.name, what_changed(before, self.registry))
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
            try:
                await self._read_vault()
            except (SQLAlchemyError, ConfigurationError) as error:
                why = f"the vault cannot be read now ({type(error).__name__})"
                raise self._secret_missing(why) from None
        if key_id not in self.secrets:
            why = f"{key_id} is not in the vault"
            raise self._secret_missing(why)
        return self.secrets[key_id]

    async def has_replaced(self, key_id: str, secret: str) -> bool:
        """Whether a key that was called with this secret has another by now, or was revoked."""
        if self.secrets.get(key_id) == secret:
            with suppress(redis.RedisError):
                await self.follow(await read_orders(self.redis))
        return self.secrets.get(key_id) != secret

    async def _read_vault(self) -> None:
        read = await asyncio.to_thread(
            read_keyring, self.settings, self.registry, served_queues=self.served_queues, worker=self.presence.name
        )
        self.secrets = read.secrets
        self.registry = replace(self.registry, keys=read.keys)
        self.presence = replace(self.presence, master_keys=read.master_keys)

    def _secret_missing(self, reason: str) -> SecretMissingError:
        """The key is left alone for a fixed time: other workers may be able to read its secret."""
        return SecretMissingError(reason, retry_at=self.now() + SECRET_MISSING_FOR)

    async def enroll(self) -> None:
        """Tell Redis which keys there are; also after Redis was emptied."""
        await enroll(self.redis, self.registry)


def _read_configuration(settings: Settings) -> Registry:
    return load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
