"""What the jobs of one worker process share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2
import redis
import redis.asyncio
from sqlalchemy import Engine

from pool_worker.broker.jobs import Jobs
from pool_worker.cache import Flights
from pool_worker.limits.windows import BudgetWindow
from pool_worker.registry import Registry
from pool_worker.resources.outlook import Outlook
from pool_worker.resources.under_way import UnderWay
from pool_worker.rollout.presence import Presence
from pool_worker.routing.strategy import BY_PRIORITY, Strategy
from pool_worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Books:
    """Blocking connections for what runs in threads: writing the ledger."""

    redis: redis.Redis
    engine: Engine

    def close(self) -> None:
        """Close both."""
        self.redis.close()
        self.engine.dispose()


@dataclass
class Resources:
    """Everything that completing a job needs. What changes while the worker runs, `pool_worker.resources.following` changes."""

    settings: Settings
    registry: Registry
    secrets: Mapping[str, str] = field(repr=False)
    """Key id → secret, of the providers that this worker serves."""
    served_queues: frozenset[str]
    planned_queues: frozenset[str]
    """Of the configuration with which it was started; somebody serves them."""
    presence: Presence
    """What it says of itself."""
    redis: redis.asyncio.Redis
    http: httpx2.AsyncClient
    jobs: Jobs
    books: Books
    flights: Flights
    gate: asyncio.Semaphore
    """So many jobs get ready at a time; see `pool_worker.completion.turn`."""
    under_way: UnderWay = field(default_factory=UnderWay)
    outlook: Outlook = field(default_factory=Outlook)
    strategy: Strategy = BY_PRIORITY
    """How candidates are ordered."""
    hedges_saved: float = 0.0
    """How many calls may be hedged now; see `pool_worker.completion.hedging`."""
    following: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while orders are followed."""
    counting: frozenset[BudgetWindow] = frozenset()
    """The budgets of which this worker knows that they count all that was spent, without their limits."""
    published: Registry | None = None
    """The registry of which callers were told last."""
    unpriced: frozenset[str] = frozenset()
    """Ids of the models of unknown price that were told of."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    random: Callable[[], float] = random.random
