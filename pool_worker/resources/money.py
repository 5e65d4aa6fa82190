"""What was spent, read from the ledger where Redis does not know it (any more)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from redis.asyncio import Redis
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pool_worker.budget import EVERYBODY, agent_scope, batch_scope, key_scope, model_scope
from pool_worker.ledger.spending import Spending, spent_of_batches, spent_since
from pool_worker.limits.clock import redis_now_ms
from pool_worker.limits.spent import day_began_ms, is_spending_known, raise_spent
from pool_worker.limits.windows import BudgetWindow
from pool_worker.registry import Registry, micro_usd

logger = logging.getLogger(__name__)


async def know_spending(redis: Redis, engine: Engine, *, timezone: str, again: bool = False) -> None:
    """Rebuild the budgets from the ledger, if Redis was emptied or is new; while the ledger is away nothing that costs is called.

    `again`: also if they are known, because one may be new, and has not counted what was spent today.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    if not again and await is_spending_known(redis):
        return
    now_ms = await redis_now_ms(redis)
    since = datetime.fromtimestamp(day_began_ms(timezone, now_ms=now_ms) / 1000, UTC)
    try:
        today, batches = await asyncio.to_thread(lambda: (spent_since(engine, since), spent_of_batches(engine)))
    except SQLAlchemyError as error:
        logger.warning("what was spent today cannot be read from the ledger: %s", type(error).__name__)
        return
    raised = await raise_spent(redis, _budgets(today, batches, timezone=timezone), now_ms=now_ms)
    if raised:
        logger.warning("%d budgets count now what the ledger says was spent", raised)


def tell_unknown_prices(registry: Registry, *, told: frozenset[str]) -> frozenset[str]:
    """Warn of the models that may be called though nobody knows what they cost, but for those told before; ids of all told."""
    new = [model.id for model in registry.usable_models() if not model.price_known and model.id not in told]
    if new:
        logger.warning("the price is not known of %s: what is called there is counted as 0 USD", ", ".join(new))
    return told.union(new)


def _budgets(today: Spending, batches: Mapping[str, Decimal], *, timezone: str) -> dict[BudgetWindow, int]:
    of_day = {EVERYBODY: today.total}
    of_day |= {agent_scope(agent): usd for agent, usd in today.by_agent.items()}
    of_day |= {model_scope(model): usd for model, usd in today.by_model.items()}
    of_day |= {key_scope(key): usd for key, usd in today.by_key.items()}
    spent = {BudgetWindow(scope, 0, timezone): micro_usd(usd) for scope, usd in of_day.items()}
    return spent | {BudgetWindow(batch_scope(batch), 0, lasting=True): micro_usd(usd) for batch, usd in batches.items()}
