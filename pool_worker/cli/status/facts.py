"""What is known of the pool at one moment. Plain facts, for views, for `--json` and for whoever shows them elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pool_worker.overview.budgets import BudgetUse
from pool_worker.overview.facts import Hold, KeyUse
from pool_worker.overview.probation import Probation
from pool_worker.overview.queues import QueueDepth


@dataclass(frozen=True, slots=True)
class Wait:
    """Parked jobs that wait for the same thing."""

    reason: str
    jobs: int
    first_due_at: datetime
    last_due_at: datetime


@dataclass(frozen=True, slots=True)
class Parked:
    """Jobs that wait, durably, until a time."""

    jobs: int = 0
    next_due_at: datetime | None = None
    last_due_at: datetime | None = None
    waits: tuple[Wait, ...] = ()
    """Those that are due first, by what they wait for; the earliest in front."""
    explained: int = 0
    """So many jobs are in `waits`; when there are very many, not all."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that gave a sign of life within the last half minute."""

    name: str
    pid: int
    since: datetime
    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """Everything."""

    at: datetime
    redis: str
    """Its URL, without a password."""
    queues: tuple[QueueDepth, ...] = ()
    """In the registry's order; empty ones too."""
    calls_in_flight: int = 0
    claimed: int = 0
    """Messages that workers hold, beat's among them."""
    parked: Parked = Parked()
    workers: tuple[Worker, ...] = ()
    beat_is_active: bool = False
    beat_is_starting: bool = False
    """It is not active yet, but `up` was started on this home a moment ago."""
    keys: tuple[KeyUse, ...] = ()
    holds: tuple[Hold, ...] = ()
    on_probation: tuple[Probation, ...] = ()
    """Providers that may be called again after failures, and have not shown yet that they are well."""
    scores: Mapping[str, int] = field(default_factory=dict)
    """`provider:groq`, `key:groq#1` → health from 0 to 99, the lowest first; who is not here has 100."""
    budgets: tuple[BudgetUse, ...] = ()
    outbox_rows: int = 0
    """Rows on their way to the ledger."""
    dead_letters: int = 0
    """Messages that no worker could work on, kept until a person decides."""
    unserved_queues: tuple[str, ...] = field(default=())
    """Queues in which jobs wait and which no worker serves."""

    @property
    def queued(self) -> int:
        """Jobs that wait to be claimed."""
        return sum(queue.total for queue in self.queues)
