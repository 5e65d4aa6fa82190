"""The budgets that `status` shows."""

from __future__ import annotations

from redis.asyncio import Redis

from pool_worker.budget import EVERYBODY
from pool_worker.overview.budgets import BudgetUse, read_budgets
from pool_worker.registry import Registry


async def budgets_to_show(client: Redis, registry: Registry) -> tuple[BudgetUse, ...]:
    """Everybody's, and those of others that are more than nothing; also where they only count."""
    return tuple(it for it in await read_budgets(client, registry) if it.scope == EVERYBODY or it.limit_usd)
