"""Telling of budgets that pause paid models though something is left of them: less than a call may need."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from pool_worker.alerts import Matter, open_causes
from pool_worker.limits.clock import redis_now_ms
from pool_worker.limits.spent import least_refused
from pool_worker.limits.windows import BudgetWindow
from pool_worker.resources import Resources

SOURCE = "budget"
PAUSE = "budget_pause"


async def check_pauses(pool: Resources, spent: Mapping[BudgetWindow, int]) -> int:
    """Tell of daily budgets that refuse calls for want of money, and of those that no longer do; returns how many do.

    What is merely reserved for calls in flight pauses nobody. A budget of which nothing is left is told of as spent, not here;
    a call that may need more than all of a budget is told by its error.

    Args:
        pool: The worker's resources.
        spent: Budget → micro-USD that are spent of it today.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    told = await open_causes(pool.redis, f"{PAUSE}:")
    pauses: dict[str, Matter] = {}
    needs = await least_refused(pool.redis, list(spent), now_ms=await redis_now_ms(pool.redis))
    for (budget, micro_usd), need in zip(spent.items(), needs, strict=True):
        left = budget.limit_micro_usd - micro_usd
        if need is None or not left < need <= budget.limit_micro_usd or not pool.registry.budget.auto_pause:
            continue
        day = f"{pool.now().astimezone(ZoneInfo(budget.timezone)):%Y-%m-%d}"
        pause = _pause(budget.scope, day, _words(left, need, limit=budget.limit_micro_usd))
        if left > 0 or pause.cause in told:
            pauses[pause.cause] = pause
    for cause in told.keys() - pauses.keys():
        scope, day = cause.removeprefix(f"{PAUSE}:").rsplit(":", 1)
        await _pause(scope, day).ends(pool.redis, now=pool.now())
    for pause in pauses.values():
        await pause.begins(pool.redis, now=pool.now())
    return len(pauses)


def _pause(scope: str, day: str, words: str = "") -> Matter:
    return Matter(
        cause=f"{PAUSE}:{scope}:{day}",
        source=SOURCE,
        severity="critical",
        title=f"what is left of today's budget ({scope}) is too little",
        message=words,
        over_title=f"the budget ({scope}) suffices again",
        over_message=f"it was that of {day}: that day is over, or the budget was raised",
    )


def _words(left: int, need: int, *, limit: int) -> str:
    rest = f"{left / 1e6:.4f} of {limit / 1e6:.2f} USD are left, and a call was refused that may need {need / 1e6:.4f}"
    return (
        f"{rest}; paid models are paused until tomorrow for calls that may need as much. Money is reserved for the longest answer "
        "that may come: with max_tokens a call needs less"
    )
