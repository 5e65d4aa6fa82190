"""What people are told of a budget that cannot pay: who is paused by it."""

from __future__ import annotations

from pool_worker.budget import EVERYBODY


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
