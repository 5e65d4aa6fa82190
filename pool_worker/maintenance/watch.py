"""Looking at quotas, budgets and dead letters from time to time, and telling of what a person should know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from pool_worker import redis_keys
from pool_worker.alerts import resolve, tell
from pool_worker.budget import all_budgets
from pool_worker.limits.usage import ALL_MODELS, KeyWindowUse, spent_now, usage_now
from pool_worker.limits.windows import BudgetWindow
from pool_worker.registry import Period
from pool_worker.resources import Resources

_LONG = frozenset({Period.DAY, Period.MONTH})
"""Only these are worth a person's attention: a minute's window is full many times an hour."""


async def check_quotas(pool: Resources) -> int:
    """Tell of daily and monthly windows that have reached a warning threshold; returns how many have.

    Windows themselves roll over by the clock, each at its provider's own time; the next period is another cause.
    """
    uses = [use for use in await usage_now(pool.redis, pool.registry) if use.per in _LONG and use.limit]
    warned = [(use, reached) for use in uses if (reached := _reached(use, pool.registry.rules.warnings.quota_thresholds))]
    for use, reached in warned:
        resets_at = datetime.fromtimestamp(use.resets_at_ms / 1000, UTC)
        await tell(
            pool.redis,
            severity="warning",
            source="quota",
            title=f"{use.key_id}: {use.used / (use.limit or 1):.0%} of its {use.unit} per {use.per} are used",
            message=f"{use.used:,} of {use.limit:,}{_on(use.model)}; resets at {resets_at:%Y-%m-%d %H:%M} UTC",
            cause=f"quota:{use.key_id}:{use.model}:{use.unit}:{use.per}:{reached}:{resets_at:%Y-%m-%d}",
            now=pool.now(),
        )
    return len(warned)


def _on(model: str) -> str:
    """Which model's window it is; a window of all models needs no word."""
    return "" if model == ALL_MODELS else f" on {model}"


def _reached(use: KeyWindowUse, thresholds: Sequence[Decimal]) -> Decimal | None:
    """The highest threshold that this use has reached."""
    share = Decimal(use.used) / Decimal(use.limit or 1)
    return max((threshold for threshold in thresholds if share >= threshold), default=None)


async def check_budgets(pool: Resources) -> int:
    """Tell of budgets that are nearly or wholly spent; returns how many are."""
    budgets = [budget for budget in all_budgets(pool.registry) if budget.limit_micro_usd]
    thresholds = (pool.registry.budget.alert_threshold, Decimal(1))
    near = 0
    for budget, spent in zip(budgets, await spent_now(pool.redis, budgets), strict=True):
        reached = [threshold for threshold in thresholds if spent >= threshold * budget.limit_micro_usd]
        near += bool(reached)
        for threshold in reached:
            await _tell_of_budget(pool, budget, spent=spent, threshold=threshold)
    return near


async def _tell_of_budget(pool: Resources, budget: BudgetWindow, *, spent: int, threshold: Decimal) -> None:
    used_up, now = threshold >= 1, pool.now()
    pauses = used_up and pool.registry.budget.auto_pause
    await tell(
        pool.redis,
        severity="critical" if used_up else "warning",
        source="budget",
        title=f"{threshold:.0%} of today's budget ({budget.scope}) are spent",
        message=f"{spent / 1e6:.2f} of {budget.limit_micro_usd / 1e6:.2f} USD"
        + ("; paid models are paused until tomorrow" if pauses else ""),
        cause=f"budget:{budget.scope}:{threshold}:{now.astimezone(ZoneInfo(budget.timezone)):%Y-%m-%d}",
        now=now,
    )


async def check_dead_letters(pool: Resources) -> int:
    """Tell that there are messages on which no worker could work, and when none is left; returns how many there are."""
    letters, cause = int(await pool.redis.zcard(redis_keys.DEAD_LETTERS)), "dead_letters"
    if letters:
        await tell(
            pool.redis,
            severity="warning",
            source="queue",
            title="there are dead letters",
            message=f"{letters} by now. `model-pool dead list` says why; `dead retry` or `dead drop` decides",
            cause=cause,
            now=pool.now(),
        )
    else:
        await resolve(
            pool.redis,
            source="queue",
            title="there are no dead letters any more",
            message="all were retried or dropped",
            cause=cause,
            now=pool.now(),
        )
    return letters
