"""What is known of the pool at one moment. Plain facts, for views, for `--json` and for whoever shows them elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from pool_client.job import Priority
from pool_worker.registry import Period, Unit


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Messages that wait in one queue."""

    queue: str
    waiting: Mapping[Priority, int]

    @property
    def total(self) -> int:
        """Of every priority."""
        return sum(self.waiting.values())


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
class WindowUse:
    """How much of a window is used, or of several of one sort together."""

    unit: Unit
    per: Period
    used: int
    limit: int
    configured: int
    """What the limit would be if the provider had not said that it is lower."""
    resets_at: datetime
    """When nothing of it will be used any more, unless more is used by then."""

    @property
    def share(self) -> float:
        """Of the limit; above 1 when more was used than a corrected limit now allows."""
        return self.used / self.limit if self.limit else 1.0

    @property
    def is_lowered(self) -> bool:
        """Whether the provider has said that the limit is lower than configured."""
        return self.limit < self.configured

    @property
    def words(self) -> str:
        """Its sort: `requests/min`, `tokens/day`."""
        return f"{self.unit.value.replace('_', ' ')}/{'min' if self.per is Period.MINUTE else self.per.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWindowUse(WindowUse):
    """One window of a key."""

    model: str
    """The provider's name for it; `*`: all models share the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How much of one key is used, or of several together."""

    calls_in_flight: int
    windows: tuple[WindowUse, ...]

    @property
    def tightest(self) -> WindowUse | None:
        """The window with the largest share used."""
        return max(self.windows, key=lambda window: window.share, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse(Use):
    """One key."""

    key_id: str
    provider: str
    priority: int
    quota_group: str
    windows: tuple[ModelWindowUse, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody who is left alone until a time."""

    kind: str
    """provider, model, key or group."""
    name: str
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """Money spent and reserved today."""

    scope: str
    """`all`, or `agent:<name>`."""
    spent_usd: Decimal
    limit_usd: Decimal


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
