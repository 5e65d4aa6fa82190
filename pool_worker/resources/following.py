"""Keeping a worker's resources up to date: what it sees of the pool, and what a person has told all workers.

Those are orders: models not to use, a configuration to read again, keys that have changed. A worker follows them at its next
look, and says in its presence how far it has come; what has mistakes or cannot be read leaves it with what it had.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

import redis
from sqlalchemy.exc import SQLAlchemyError

from pool_client.errors import ConfigurationError
from pool_worker.config import load_registry
from pool_worker.ledger.models import publish_models
from pool_worker.limits.enroll import enroll
from pool_worker.registry import Registry
from pool_worker.resources.keyring import served_providers, take_keyring
from pool_worker.resources.money import know_spending, tell_unknown_prices
from pool_worker.resources.outlook import read_outlook
from pool_worker.resources.shared import Resources
from pool_worker.rollout.orders import Orders, read_orders
from pool_worker.rollout.presence import read_presences, say_alive
from pool_worker.rollout.publishing import publish
from pool_worker.rollout.taking_over import take_over, what_changed
from pool_worker.rollout.trouble import tell_over, tell_trouble
from pool_worker.settings import Settings
from pool_worker.strategies import load_strategy

logger = logging.getLogger(__name__)


async def look_around(pool: Resources) -> None:
    """Bring the outlook and the registry up to date; the budgets, if need be.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses; the next look makes up for it.
    """
    await know_spending(pool)
    pool.outlook, orders = await asyncio.gather(
        read_outlook(pool.redis, pool.registry, now=pool.now()),
        read_orders(pool.redis),
    )
    await follow(orders, pool)


async def follow(orders: Orders, pool: Resources) -> None:
    """Do what a person has told all workers since the last look, and tell callers what has changed by it.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses; the next look makes up for it.
    """
    async with pool.following:
        if orders.disabled != pool.registry.disabled:
            pool.registry = replace(pool.registry, disabled=orders.disabled)
        if orders.key_changes != pool.presence.key_changes:
            await _take_keys(orders.key_changes, pool)
        if orders.reloads != pool.presence.reloads:
            await _reload(orders.reloads, pool)
        if pool.published is not pool.registry:
            registry = pool.registry
            pool.unpriced = tell_unknown_prices(registry, told=pool.unpriced)
            await publish(pool.redis, registry)
            pool.published = registry


async def has_replaced(key_id: str, secret: str, pool: Resources) -> bool:
    """Whether a key that was called with this secret has another by now, or was revoked; orders are read if it seems not."""
    if pool.secrets.get(key_id) == secret:
        with suppress(redis.RedisError):
            await follow(await read_orders(pool.redis), pool)
    return pool.secrets.get(key_id) != secret


async def _take_keys(key_changes: int, pool: Resources) -> None:
    """Take the keys as the vault has them now; while it cannot be read the present ones are kept."""
    was = pool.presence
    try:
        await take_keyring(pool)
    except (SQLAlchemyError, ConfigurationError) as error:
        trouble = str(error) if isinstance(error, ConfigurationError) else f"the database is away ({type(error).__name__})"
        pool.presence = replace(was, keys_trouble=trouble)
        if trouble != was.keys_trouble:
            logger.warning("keys have changed in the vault, and this worker cannot read them: %s", trouble)
    else:
        await _begin_anew(pool)
        pool.presence = replace(pool.presence, key_changes=key_changes, keys_trouble="")
        logger.info("keys have changed in the vault: %d of %d may be used here", len(pool.secrets), len(pool.registry.keys))
    await say_alive(pool.redis, pool.presence)


async def _reload(reloads: int, pool: Resources) -> None:
    """Take the configuration as its files say now; if they have mistakes, keep the present one and tell."""
    was = pool.presence
    try:
        read = await asyncio.to_thread(_read_configuration, pool.settings)
        pool.strategy = load_strategy(read.rules.strategy)
    except ConfigurationError as error:
        await tell_trouble(pool.redis, error, worker=was.name, reloads=reloads, now=pool.now())
        pool.presence = replace(was, reloads=reloads, trouble=str(error))
    else:
        await _take_configuration(read, pool)
        if was.trouble:
            await tell_over(pool.redis, was, now=pool.now())
        pool.presence = replace(was, reloads=reloads, trouble="")
    await say_alive(pool.redis, pool.presence)


async def _take_configuration(read: Registry, pool: Resources) -> None:
    served = {queue for worker in await read_presences(pool.redis) for queue in worker.queues}
    before = pool.registry
    pool.registry = take_over(read, before, served=pool.planned_queues | served)
    await _begin_anew(pool)
    # A warning, as workers of `up` log nothing less.
    logger.warning("%s has taken the configuration as it is now: %s", pool.presence.name, what_changed(before, pool.registry))
    try:
        await asyncio.to_thread(publish_models, pool.books.engine, pool.registry)
    except SQLAlchemyError as error:
        logger.warning("the table of models is not brought up to date: %s", type(error).__name__)


async def _begin_anew(pool: Resources) -> None:
    """Keys, limits or budgets are others now: who waits may be served, and a new budget counts what was spent today."""
    await enroll(pool.redis, pool.registry)
    await know_spending(pool)
    for provider in served_providers(pool.registry, pool.served_queues):
        await pool.jobs.hasten(provider)


def _read_configuration(settings: Settings) -> Registry:
    return load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
