"""Deletes rows that are older than `retention` says, in small bites that nobody has to wait for. Summaries stay."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Engine, Table, delete, func, select

from pool_worker.ledger.database import writing
from pool_worker.ledger.reports import first_call
from pool_worker.ledger.summaries import start_of, summarize_day
from pool_worker.ledger.tables import agent_events, alerts, jobs, system_metrics, usage_logs
from pool_worker.registry import Retention

BITE = 1000
"""Rows that one transaction deletes: a few hundredths of a second."""
PAUSE_S = 0.1
"""After each, for others who write: SQLite has one writer at a time, and whoever waits looks again every tenth of a second."""
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows of each kind."""

    attempts: int = 0
    jobs: int = 0
    alerts: int = 0
    events: int = 0
    metrics: int = 0

    @property
    def total(self) -> int:
        """Of all kinds."""
        return sum(asdict(self).values())


def oldest_kept(days: int, *, now: datetime) -> datetime:
    """The first instant of which rows are kept for so many days: whole UTC days go, so that summaries are of whole ones."""
    return start_of(now.astimezone(UTC).date() - timedelta(days=days))


def prunable(engine: Engine, retention: Retention, *, now: datetime) -> Pruned:
    """What `prune` would delete; changes nothing."""
    counted = {}
    with engine.connect() as connection:
        for kind, (table, old) in _old(retention, now=now).items():
            counted[kind] = connection.execute(select(func.count()).select_from(table).where(*old)).scalar_one()
    return Pruned(**counted)


def prune(
    engine: Engine, retention: Retention, *, now: datetime, bite: int = BITE, pause: Callable[[float], object] = time.sleep
) -> Pruned:
    """Delete what is too old. Doing it again, or several at once, does no harm; one that is broken off goes on next time.

    A day whose attempts go is summed up first, for the models of which it is not (its rows came late, while nobody summed up).

    Args:
        engine: The ledger.
        retention: For how long rows are kept.
        now: The time.
        bite: Rows to delete in one transaction.
        pause: Waits between two of them, for so many seconds.

    Returns:
        What was deleted.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: if the database cannot be reached or written; what was deleted until then is gone.
    """
    old = _old(retention, now=now)
    table, of_attempts = old.pop("attempts")
    attempts, limit = 0, oldest_kept(retention.attempts_days, now=now)
    while (first := first_call(engine)) is not None and first < limit:
        day = first.date()
        summarize_day(engine, day, anew=False)
        in_day = (*of_attempts, usage_logs.c.created_at < start_of(day) + A_DAY)
        attempts += sum(_bites(engine, table, in_day, bite=bite, pause=pause))
    rest = {kind: sum(_bites(engine, *what, bite=bite, pause=pause)) for kind, what in old.items()}
    return Pruned(attempts=attempts, **rest)


def _old(retention: Retention, *, now: datetime) -> dict[str, tuple[Table, tuple[ColumnElement[bool], ...]]]:
    """By kind: its table, and what is too old in it."""
    days: Mapping[str, tuple[Table, int]] = {
        "attempts": (usage_logs, retention.attempts_days),
        "alerts": (alerts, retention.alerts_days),
        "events": (agent_events, retention.events_days),
        "metrics": (system_metrics, retention.metrics_days),
    }
    limits = {kind: (table, oldest_kept(count, now=now)) for kind, (table, count) in days.items()}
    ended_before = oldest_kept(retention.jobs_days, now=now)
    old_jobs = (jobs.c.submitted_at < ended_before, func.coalesce(jobs.c.finished_at, jobs.c.submitted_at) < ended_before)
    return {kind: (table, (table.c.created_at < limit,)) for kind, (table, limit) in limits.items()} | {"jobs": (jobs, old_jobs)}


def _bites(
    engine: Engine, table: Table, old: tuple[ColumnElement[bool], ...], *, bite: int, pause: Callable[[float], object]
) -> Iterator[int]:
    """How many rows each transaction deleted."""
    (key,) = table.primary_key
    some = select(key).where(*old).limit(bite)
    while True:
        with writing(engine) as connection:
            deleted = connection.execute(delete(table).where(key.in_(some))).rowcount
        if not deleted:
            return
        yield deleted
        pause(PAUSE_S)
