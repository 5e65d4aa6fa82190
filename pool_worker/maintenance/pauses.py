"""Telling of budgets that pause paid models though something is left of them: less than a call may need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pool_worker.alerts import Matter, open_causes
from pool_worker.limits.clock import redis_now_ms
from pool_worker.limits.spent import least_refused
from pool_worker.limits.windows import BudgetWindow
from pool_worker.maintenance.budget_words import day_of, pause_words
from pool_worker.registry import MILLION
from pool_worker.resources import Resources

SOURCE = "budget"
PAUSE = "budget_pause"
TOLD_ANEW = 2
"""So many times smaller than the need that was told is another matter: calls are refused that were thought to fit."""


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
        about = f"{PAUSE}:{budget.scope}:{day_of(budget, pool.now())}/{budget.limit_micro_usd}/"
        known = _told_of(about, told, need)
        if left > 0 or known:
            pause = _pause(known or f"{about}{need}", _words(budget, left, need))
            pauses[pause.cause] = pause
    for cause in told.keys() - pauses.keys():
        await _pause(cause).ends(pool.redis, now=pool.now())
    for pause in pauses.values():
        await pause.begins(pool.redis, now=pool.now())
    return len(pauses)


def _told_of(about: str, told: Iterable[str], need: int) -> str | None:
    """The cause under which people know of about this need."""
    known = (cause for cause in told if cause.startswith(about))
    return next((cause for cause in known if need * TOLD_ANEW >= int(cause.removeprefix(about))), None)


def _pause(cause: str, words: str = "") -> Matter:
    """Its cause: `budget_pause:scope:day/limit/need`, both in micro-USD."""
    scope, since = cause.removeprefix(f"{PAUSE}:").rsplit(":", 1)
    day = since.partition("/")[0]
    return Matter(
        cause=cause,
        source=SOURCE,
        severity="critical",
        title=f"what is left of today's budget ({scope}) is too little",
        message=words,
        over_title=f"what was told of the rest of the budget ({scope}) is over",
        over_message=f"it was that of {day}: that day is over, the budget was changed, or a newer alert says more",
    )


def _words(budget: BudgetWindow, left: int, need: int) -> str:
    limit = budget.limit_micro_usd / MILLION
    rest = f"{left / MILLION:.4f} of {limit:,f} USD are left, and a call was refused that may need {need / MILLION:.4f}"
    return (
        f"{rest}; {pause_words(budget.scope, auto_pause=True)} for calls that may need as much. Money is reserved for the "
        "longest answer that may come: with max_tokens a call needs less"
    )
