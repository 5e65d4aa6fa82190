"""What one worker process has seen of the whole pool: money, tokens, models and providers, as of some seconds ago."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import cast

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.budget import EVERYBODY, agent_scope, spent_fractions
from pool_worker.health.scores import read_availability
from pool_worker.limits.performance import Performance, performance_of
from pool_worker.limits.token_history import TokenHistory, read_token_history
from pool_worker.registry import Registry


@dataclass(frozen=True, slots=True)
class Outlook:
    """What routes and reservations are drawn from, so that no job has to ask for it."""

    spent: Mapping[str, Decimal] = field(default_factory=dict)
    """Budget scope → share of it that is spent."""
    token_history: TokenHistory = field(default_factory=TokenHistory)
    """What calls have taken."""
    performance: Performance = field(default_factory=Performance)
    """How well each model has answered of late."""
    availability: Mapping[str, float] = field(default_factory=dict)
    """Provider id → 0 (left alone now) to 1 (well), of those that are not well."""

    def spent_fraction(self, agent: str) -> Decimal:
        """Share of the day's money that is spent, everybody's or this agent's, whichever is more."""
        return max(self.spent.get(scope, Decimal(0)) for scope in (EVERYBODY, agent_scope(agent)))


async def read_outlook(redis: Redis, registry: Registry, *, now: datetime) -> Outlook:
    """Reads that travel together.

    Raises:
        redis.RedisError: if Redis cannot be reached.
    """
    spent, token_history, performance, availability = await asyncio.gather(
        spent_fractions(redis, registry),
        read_token_history(redis),
        redis.hgetall(redis_keys.PERFORMANCE),
        read_availability(redis, registry.providers),
    )
    return Outlook(spent, token_history, performance_of(cast("dict[str, str]", performance), now=now), availability)
