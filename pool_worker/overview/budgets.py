"""Today's money: what every budget has spent, of how much."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from redis.asyncio import Redis

from pool_worker.budget import all_budgets
from pool_worker.limits.usage import spent_now
from pool_worker.registry import MILLION, Registry


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """Today's money of one budget."""

    scope: str
    """`all`, `agent:x`, `model:y` or `key:z`."""
    spent_usd: Decimal
    limit_usd: Decimal


async def read_budgets(client: Redis, registry: Registry) -> tuple[BudgetUse, ...]:
    """Everybody's first, then those of agents, models and keys that have one.

    Raises:
        redis.RedisError: if Redis does not answer.
        ClockError: if its clock jumps meanwhile.
    """
    budgets = all_budgets(registry)
    spent = await spent_now(client, budgets)
    return tuple(
        BudgetUse(it.scope, micro_usd / MILLION, it.limit_micro_usd / MILLION)
        for it, micro_usd in zip(budgets, spent, strict=True)
    )
