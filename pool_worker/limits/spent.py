"""Bringing the budgets of an emptied Redis back to what the ledger knows was spent; what they could not pay for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.limits.periods import spans
from pool_worker.limits.windows import KEEP_LASTING_MS, BudgetWindow
from pool_worker.lua import run_script
from pool_worker.many_reads import read_many
from pool_worker.registry import Period


async def is_spending_known(redis: Redis) -> bool:
    """Whether the budgets say what was spent; not so where Redis is new or was emptied: then nothing that costs is called."""
    return bool(await redis.exists(redis_keys.SPENDING_KNOWN))


def day_began_ms(timezone: str, *, now_ms: int) -> int:
    """When the calendar day of a budget began."""
    return spans(Period.DAY, timezone, from_ms=now_ms, until_ms=now_ms)[0][0]


async def raise_spent(redis: Redis, spent: Mapping[BudgetWindow, int], *, now_ms: int) -> int:
    """Micro-USD spent today of each budget (of a lasting one: ever). What is counted already and is more stays.

    Returns:
        How many budgets were raised.
    """
    names = [_counter(budget, now_ms=now_ms) for budget in spent]
    arguments = [*spent.values(), KEEP_LASTING_MS]
    return int(await run_script(redis, __package__, "raise_spent", keys=[redis_keys.SPENDING_KNOWN, *names], arguments=arguments))


async def least_refused(redis: Redis, budgets: Sequence[BudgetWindow], *, now_ms: int) -> list[int | None]:
    """Micro-USD: the least that calls asked for today of each daily budget when less was left; None: nobody did.

    What was merely reserved for calls in flight counts as left.
    """
    values = await read_many(redis, [f"{_counter(budget, now_ms=now_ms)}:refused" for budget in budgets])
    return [None if value is None else int(value) for value in values]


def _counter(budget: BudgetWindow, *, now_ms: int) -> str:
    start_ms = 0 if budget.lasting else day_began_ms(budget.timezone, now_ms=now_ms)
    return f"{redis_keys.budget(budget.scope)}:{start_ms}"
