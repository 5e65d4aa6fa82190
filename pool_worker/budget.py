"""The day's money: who may spend how much of it, and how much is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from redis.asyncio import Redis

from pool_worker.limits.usage import spent_now
from pool_worker.limits.windows import BudgetWindow
from pool_worker.registry import Registry, micro_usd

EVERYBODY = "all"
BOUNDLESS = 2**53
"""So much nobody spends: the window only counts."""


def agent_scope(agent: str) -> str:
    """The budget scope of one agent."""
    return f"agent:{agent}"


def budgets_of(registry: Registry, agent: str) -> tuple[BudgetWindow, ...]:
    """What may be spent today on a job of this agent: everybody's budget, and the agent's own where it has one."""
    budget, known = registry.budget, registry.agents.get(agent)
    everybody = BudgetWindow(EVERYBODY, micro_usd(budget.daily_usd), budget.timezone)
    if known is None or known.daily_budget_usd is None:
        return (everybody,)
    return everybody, BudgetWindow(agent_scope(agent), micro_usd(known.daily_budget_usd), budget.timezone)


def all_budgets(registry: Registry) -> tuple[BudgetWindow, ...]:
    """Everybody's budget, and those of the agents that have one."""
    windows = (window for agent in ("", *registry.agents) for window in budgets_of(registry, agent))
    return tuple(dict.fromkeys(windows))


def binding_budgets(registry: Registry, agent: str) -> tuple[BudgetWindow, ...]:
    """The budgets in which a lease counts its money: they hold it back only if they are to pause paid models."""
    windows = budgets_of(registry, agent)
    if registry.budget.auto_pause:
        return windows
    return tuple(replace(window, limit_micro_usd=BOUNDLESS) for window in windows)


async def spent_fractions(redis: Redis, registry: Registry) -> Mapping[str, Decimal]:
    """Scope → share of its budget that is spent or reserved today; a budget of 0 counts as spent."""
    windows = all_budgets(registry)
    spent = await spent_now(redis, windows)
    return {
        window.scope: Decimal(amount) / window.limit_micro_usd if window.limit_micro_usd else Decimal(1)
        for window, amount in zip(windows, spent, strict=True)
    }
