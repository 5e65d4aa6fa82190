"""What people are told of a budget that cannot pay: of which day it is, and who is paused by it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from pool_worker.budget import EVERYBODY
from pool_worker.limits.windows import BudgetWindow


def day_of(budget: BudgetWindow, now: datetime) -> str:
    """The day whose money it is, in its time zone: `2026-11-22`."""
    return f"{now.astimezone(ZoneInfo(budget.timezone)):%Y-%m-%d}"


def pause_words(scope: str, *, auto_pause: bool) -> str:
    """Who is paused until tomorrow when the budget of this scope is spent.

    Args:
        scope: `all`, `agent:x`, `model:y` or `key:z`.
        auto_pause: False: budgets only count.
    """
    if not auto_pause:
        return "nothing is paused, it only counts"
    if scope == EVERYBODY:
        return "paid models are paused until tomorrow"
    kind, _, name = scope.partition(":")
    rests = {
        "agent": f"paid models are paused for agent {name}",
        "model": f"model {name} is paused",
        "key": f"key {name} is not used for paid calls",
    }
    return f"{rests[kind]} until tomorrow"
