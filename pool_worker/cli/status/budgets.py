"""Money spent today against what may be spent."""

from __future__ import annotations

from decimal import Decimal

from redis.asyncio import Redis

from pool_worker.budget import EVERYBODY, all_budgets
from pool_worker.cli.status.facts import BudgetUse
from pool_worker.limits.usage import spent_now
from pool_worker.registry import MILLION, Registry


async def read_budgets(client: Redis, registry: Registry) -> tuple[BudgetUse, ...]:
    """Everybody's, then those of agents, models and keys that have one. Empty if paid models are never paused."""
    if not registry.budget.auto_pause:
        return ()
    budgets = [budget for budget in all_budgets(registry) if budget.scope == EVERYBODY or budget.limit_micro_usd]
    spent = await spent_now(client, budgets)
    return tuple(
        BudgetUse(budget.scope, Decimal(micro) / MILLION, Decimal(budget.limit_micro_usd) / MILLION)
        for budget, micro in zip(budgets, spent, strict=True)
    )
