"""How full windows and budgets are. Read only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.limits.clock import as_argument, ask_with_calendars
from pool_worker.limits.enroll import keys_for
from pool_worker.limits.windows import (
    GUARD_MS,
    BudgetWindow,
    CountedWindow,
    Terms,
    budget_facts,
    calendars_of,
    counted_windows,
    window_facts,
)
from pool_worker.lua import run_script
from pool_worker.registry import Key, Period, Registry, Unit

_WINDOWS_A_CALL = 200
"""So that nobody else waits for Redis longer than about a millisecond."""


@dataclass(frozen=True, slots=True)
class KeyWindowUse:
    """How much of one window of a key is used: settled calls and reservations."""

    key_id: str
    provider: str
    model: str
    """The provider's name for it, or `ALL_MODELS`."""
    unit: Unit
    per: Period
    used: int
    limit: int
    configured: int
    """What the limit would be if the provider had not said that it is lower."""
    resets_at_ms: int
    """When the window will be empty again if nothing more is used."""


@dataclass(frozen=True, slots=True)
class _Question:
    key: Key
    model: str
    counted: CountedWindow
    facts: dict[str, Any]

    @property
    def configured(self) -> int:
        """The window's limit for the key, by the configuration."""
        own = self.key.daily_limit if "own" in self.facts else None
        return self.counted.window.limit if own is None else own


async def usage_now(redis: Redis, registry: Registry, *, now_ms: int | None = None) -> list[KeyWindowUse]:
    """Every window of every active key: by provider, key and model in the registry's order. Keys of one group show the same."""
    questions = _questions(registry)
    answers: list[int] = []
    for start in range(0, len(questions), _WINDOWS_A_CALL):
        some = questions[start : start + _WINDOWS_A_CALL]
        answers += await _ask(redis, [it.facts for it in some], [it.counted for it in some], (), now_ms=now_ms)
    return [
        KeyWindowUse(
            key_id=it.key.id,
            provider=it.key.provider,
            model=it.model,
            unit=it.counted.window.unit,
            per=it.counted.window.per,
            used=answers[3 * i],
            limit=answers[3 * i + 1],
            configured=it.configured,
            resets_at_ms=answers[3 * i + 2],
        )
        for i, it in enumerate(questions)
        if answers[3 * i + 1] >= 0
    ]


async def spent_now(redis: Redis, budgets: Sequence[BudgetWindow], *, now_ms: int | None = None) -> list[int]:
    """Micro-USD spent today, for each budget; what is reserved for calls in flight is not spent yet."""
    facts = [{**budget_facts(it), "group": "", "late": False} for it in budgets]
    answers = await _ask(redis, facts, (), budgets, now_ms=now_ms)
    return answers[::3]


def _questions(registry: Registry) -> list[_Question]:
    questions: dict[tuple[str, str], _Question] = {}
    for model in registry.models.values():
        provider = registry.provider_of(model)
        terms = Terms.of(model, provider)
        for counted in counted_windows(registry.windows_of(model), provider.daily_unit):
            facts = window_facts(counted, terms)
            for key in keys_for(registry, provider):
                asked = facts | {"group": key.group, "key_facts": redis_keys.key_facts(key.id)}
                if key.daily_limit is not None:
                    asked["daily_limit"] = key.daily_limit
                questions.setdefault((facts["prefix"], key.id), _Question(key, provider.scope_of(model.name), counted, asked))
    return list(questions.values())


async def _ask(
    redis: Redis,
    windows: Sequence[dict[str, Any]],
    counted: Sequence[CountedWindow],
    budgets: Sequence[BudgetWindow],
    *,
    now_ms: int | None,
) -> list[int]:
    async def ask(clock_ms: int) -> list[Any]:
        periods = calendars_of(counted, budgets, from_ms=clock_ms, until_ms=clock_ms + GUARD_MS)
        spec = {"windows": windows, "guard_ms": GUARD_MS, "calendars": periods}
        answer: list[Any] = await run_script(
            redis, __package__, "usage", arguments=[json.dumps(spec, separators=(",", ":")), as_argument(now_ms)]
        )
        return answer

    answers: list[int] = await ask_with_calendars(ask, now_ms=now_ms)
    return answers
