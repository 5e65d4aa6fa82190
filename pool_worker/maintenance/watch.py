"""Looking at budgets and dead letters from time to time, and telling of what a person should know."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pool_worker import redis_keys
from pool_worker.alerts import Matter, open_causes, resolve, tell
from pool_worker.budget import agent_of, all_budgets
from pool_worker.ledger.rows import EventRow
from pool_worker.limits.usage import spent_now
from pool_worker.limits.windows import BudgetWindow
from pool_worker.maintenance.budget_words import day_of, pause_words
from pool_worker.maintenance.pauses import check_pauses
from pool_worker.registry import MILLION
from pool_worker.resources import Resources

BUDGET = "budget"


async def check_budgets(pool: Resources) -> int:
    """Tell of budgets that are nearly or wholly spent, and of those that no longer are; returns how many are.

    Also of those of which too little is left for a call; see `check_pauses`.
    """
    budgets = [budget for budget in all_budgets(pool.registry) if budget.limit_micro_usd]
    thresholds = (pool.registry.budget.alert_threshold, Decimal(1))
    spent = dict(zip(budgets, await spent_now(pool.redis, budgets), strict=True))
    reached = {
        _cause(budget, threshold, pool): (budget, threshold)
        for budget in budgets
        for threshold in thresholds
        if spent[budget] >= threshold * budget.limit_micro_usd
    }
    for cause in await open_causes(pool.redis, f"{BUDGET}:"):
        if cause not in reached:
            await _tell_of_room(cause, pool)
    for budget, threshold in reached.values():
        await _tell_of_budget(pool, budget, spent=spent[budget], threshold=threshold)
    await check_pauses(pool, spent)
    return len({budget for budget, _ in reached.values()})


async def _tell_of_budget(pool: Resources, budget: BudgetWindow, *, spent: int, threshold: Decimal) -> None:
    used_up, now, auto_pause = threshold >= 1, pool.now(), pool.registry.budget.auto_pause
    told = await tell(
        pool.redis,
        severity="critical" if used_up else "warning",
        source=BUDGET,
        title=f"{spent * 100 // budget.limit_micro_usd}% of today's budget ({budget.scope}) are spent",
        message=f"{spent / MILLION:,f} of {budget.limit_micro_usd / MILLION:,f} USD"
        + (f"; {pause_words(budget.scope, auto_pause=auto_pause)}" if used_up else ""),
        cause=_cause(budget, threshold, pool),
        now=now,
    )
    if told and (agent := agent_of(budget.scope)) is not None:
        event = EventRow(
            event_id=f"budget:{agent}:{threshold}:{day_of(budget, now)}",
            agent_id=agent,
            event_type="budget_spent" if used_up else "budget_nearly_spent",
            event_data={
                "spent_usd": spent / 1e6,
                "budget_usd": budget.limit_micro_usd / 1e6,
                "paid_models_paused": used_up and auto_pause,
            },
            created_at=now,
        )
        entry: dict[Any, Any] = {**event.to_fields()}
        await pool.redis.xadd(redis_keys.OUTBOX, entry)


async def _tell_of_room(cause: str, pool: Resources) -> None:
    _, _, rest = cause.partition(":")
    scope, threshold, since = rest.rsplit(":", 2)
    await resolve(
        pool.redis,
        source=BUDGET,
        title=f"what was told of {Decimal(threshold):.0%} of the budget ({scope}) is over",
        message=f"it was that of {since.partition('/')[0]}: that day is over, or the budget was changed",
        cause=cause,
        now=pool.now(),
    )


def _cause(budget: BudgetWindow, threshold: Decimal, pool: Resources) -> str:
    return f"{BUDGET}:{budget.scope}:{threshold}:{day_of(budget, pool.now())}/{budget.limit_micro_usd}"


async def check_dead_letters(pool: Resources) -> int:
    """Tell that there are messages on which no worker could work, and when none is left; returns how many there are."""
    letters = int(await pool.redis.zcard(redis_keys.DEAD_LETTERS))
    matter = Matter(
        cause="dead_letters",
        source="queue",
        severity="warning",
        title="there are dead letters",
        message=f"{letters} by now. `model-pool dead list` says why; `dead retry` or `dead drop` decides",
        over_title="there are no dead letters any more",
        over_message="all were retried or dropped",
    )
    await (matter.begins if letters else matter.ends)(pool.redis, now=pool.now())
    return letters
