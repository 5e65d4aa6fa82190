"""Money spent today against what may be spent."""

from __future__ import annotations

from decimal import Decimal

from redis.asyncio import Redis

from pool_worker.cli.status.facts import BudgetUse
from pool_worker.limits.usage import spent_now
from pool_worker.limits.windows import BudgetWindow
from pool_worker.registry import MILLION, Registry, micro_usd


async def read_budgets(client: Redis, registry: Registry) -> tuple[BudgetUse, ...]:
    """Everybody's, then those of agents that have one. Empty if paid models are never paused: nothing is counted then."""
    if not registry.budget.auto_pause:
        return ()
    limits = {"all": registry.budget.daily_usd}
    limits |= {f"agent:{agent.id}": agent.daily_budget_usd for agent in registry.agents.values() if agent.daily_budget_usd}
    windows = [BudgetWindow(scope, micro_usd(limit), registry.budget.timezone) for scope, limit in limits.items()]
    spent = await spent_now(client, windows)
    return tuple(
        BudgetUse(scope, Decimal(micro) / MILLION, limit) for (scope, limit), micro in zip(limits.items(), spent, strict=True)
    )
