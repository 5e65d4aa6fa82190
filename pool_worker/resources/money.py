"""What was spent, read from the ledger where Redis does not know it (any more)."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pool_worker.budget import EVERYBODY, agent_scope, all_budgets, batch_scope, key_scope, model_scope
from pool_worker.ledger.spending import Spending, spending_by_whom, spent_of_batches
from pool_worker.limits.clock import redis_now_ms
from pool_worker.limits.spent import day_began_ms, is_spending_known, raise_spent
from pool_worker.limits.windows import KEEP_LASTING_MS, BudgetWindow
from pool_worker.registry import Registry, micro_usd
from pool_worker.resources.shared import Resources

logger = logging.getLogger(__name__)


async def know_spending(pool: Resources) -> None:
    """Have the budgets count what the ledger says was spent: all if Redis was emptied or is new, those of a day if one is new.

    While the ledger is away nothing that costs is called if Redis was emptied, and a new budget counts from now on; the next look
    tries again.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    budgets = frozenset(replace(budget, limit_micro_usd=0) for budget in all_budgets(pool.registry))
    is_known = await is_spending_known(pool.redis)
    if is_known and budgets <= pool.counting:
        pool.counting = budgets
        return
    timezone, now_ms = pool.registry.budget.timezone, await redis_now_ms(pool.redis)
    try:
        spent = await asyncio.to_thread(_read, pool.books.engine, timezone, now_ms=now_ms, with_batches=not is_known)
    except SQLAlchemyError as error:
        logger.warning("what was spent today cannot be read from the ledger: %s", type(error).__name__)
        pool.counting &= budgets
        return
    if raised := await raise_spent(pool.redis, spent, now_ms=now_ms):
        logger.warning("%d budgets count now what the ledger says was spent", raised)
    pool.counting = budgets


def tell_unknown_prices(registry: Registry, *, told: frozenset[str]) -> frozenset[str]:
    """Warn of the models that may be called though nobody knows what they cost, but for those told before; ids of all told."""
    new = [model.id for model in registry.usable_models() if not model.price_known and model.id not in told]
    if new:
        logger.warning("the price is not known of %s: what is called there is counted as 0 USD", ", ".join(new))
    return told.union(new)


def _read(engine: Engine, timezone: str, *, now_ms: int, with_batches: bool) -> dict[BudgetWindow, int]:
    """Budget → micro-USD that were spent of it; blocking."""
    day_began = _at(day_began_ms(timezone, now_ms=now_ms))
    spent = _of_day(spending_by_whom(engine, since=day_began), timezone)
    if not with_batches:
        return spent
    batches = spent_of_batches(engine, since=_at(now_ms - KEEP_LASTING_MS))
    return spent | {BudgetWindow(batch_scope(batch), 0, lasting=True): micro_usd(usd) for batch, usd in batches.items()}


def _of_day(today: Spending, timezone: str) -> dict[BudgetWindow, int]:
    spent = {EVERYBODY: today.total}
    spent |= {agent_scope(agent): usd for agent, usd in today.by_agent.items()}
    spent |= {model_scope(model): usd for model, usd in today.by_model.items()}
    spent |= {key_scope(key): usd for key, usd in today.by_key.items()}
    return {BudgetWindow(scope, 0, timezone): micro_usd(usd) for scope, usd in spent.items()}


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
