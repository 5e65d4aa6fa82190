"""What is older than it need be goes, bite by bite; whole days, and their summaries stay."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from attempts import attempt_at
from sqlalchemy import Engine, Table

from pool_client.job import JobState, Priority, Tier
from pool_worker.ledger.database import writing
from pool_worker.ledger.metrics import Metric, book_metrics
from pool_worker.ledger.pruning import Pruned, prunable, prune
from pool_worker.ledger.rows import AlertRow, AttemptRow, EventRow, JobRow
from pool_worker.ledger.summaries import summarize_day
from pool_worker.ledger.tables import agent_events, alerts, daily_usage_summary, jobs, system_metrics, usage_logs
from pool_worker.registry import Retention

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
A_MOMENT = timedelta(microseconds=1)
TEN_DAYS = Retention(jobs_days=10, attempts_days=10, alerts_days=10, events_days=10, metrics_days=10)
Book = Callable[[Iterable[AttemptRow]], None]
Read = Callable[[Table], list[Any]]


def job(job_id: str, submitted_at: datetime, finished_at: datetime | None = None) -> dict[str, Any]:
    facts: dict[str, Any] = {"state": JobState.SUCCEEDED, "priority": Priority.LOW, "tier": Tier.FREE, "finished_at": finished_at}
    return JobRow(job_id=job_id, agent="x", submitted_at=submitted_at, **facts).to_columns()


def no_pause(_: float) -> None:
    """The tests are alone with their database."""


numbers = itertools.count()


def fill(engine: Engine, at: datetime) -> None:
    """One row of each kind of that time."""
    alert = AlertRow(alert_id=str(at), severity="info", source="t", cause="c", title="T", message="M", created_at=at)
    with writing(engine) as connection:
        connection.execute(usage_logs.insert(), attempt_at(at, next(numbers), model_id="m").to_columns())
        connection.execute(jobs.insert(), job(str(at), at))
        connection.execute(alerts.insert(), alert.to_columns())
        event = EventRow(event_id=str(at), agent_id="x", event_type="t", created_at=at)
        connection.execute(agent_events.insert(), event.to_columns())
    book_metrics(engine, [Metric("jobs_waiting", 1, "jobs")], at=at)


def test_only_what_is_older_than_its_days_goes(engine: Engine, read: Read) -> None:
    limit = MIDNIGHT - timedelta(days=10)
    for at in (limit - timedelta(days=3), limit - A_MOMENT, limit, NOW):
        fill(engine, at)
    would = prunable(engine, TEN_DAYS, now=NOW)
    assert would == Pruned(2, 2, 2, 2, 2)
    assert len(read(usage_logs)) == 4, "nothing was deleted yet"
    assert prune(engine, TEN_DAYS, now=NOW, pause=no_pause) == would
    for table in (usage_logs, alerts, agent_events, system_metrics):
        assert [row.created_at for row in read(table)] == [limit, NOW]
    assert sorted(row.submitted_at for row in read(jobs)) == [limit, NOW]
    assert prunable(engine, TEN_DAYS, now=NOW) == prune(engine, TEN_DAYS, now=NOW, pause=no_pause) == Pruned()


def test_each_kind_has_its_days(engine: Engine) -> None:
    fill(engine, MIDNIGHT - timedelta(days=3, hours=-1))
    for number, kind in enumerate(("attempts", "jobs", "alerts", "events", "metrics")):
        days = {f"{name}_days": 2 if name == kind else 3 for name in ("attempts", "jobs", "alerts", "events", "metrics")}
        assert prune(engine, Retention(**days), now=NOW, pause=no_pause) == Pruned(**{kind: 1}), number


def test_a_job_counts_from_its_end(engine: Engine, read: Read) -> None:
    old, recent = MIDNIGHT - timedelta(days=40), MIDNIGHT - timedelta(days=1)
    with writing(engine) as connection:
        connection.execute(jobs.insert(), [job("waited long", old, recent), job("old", old, old), job("never ended", old)])
    assert prune(engine, TEN_DAYS, now=NOW, pause=no_pause).jobs == 2
    assert [row.job_id for row in read(jobs)] == ["waited long"]


def test_it_bites_off_little_at_a_time_and_pauses(engine: Engine, book: Book, read: Read) -> None:
    book(attempt_at(MIDNIGHT - timedelta(days=20), number, model_id="m") for number in range(25))
    left: list[int] = []
    prune(engine, TEN_DAYS, now=NOW, bite=10, pause=lambda _: left.append(len(read(usage_logs))))
    assert left == [15, 5, 0], "others write in between"


def test_a_day_that_goes_is_summed_up_before_unless_it_was(engine: Engine, book: Book, read: Read) -> None:
    first, second = MIDNIGHT - timedelta(days=30), MIDNIGHT - timedelta(days=20)
    book([attempt_at(first, 1, model_id="m", cost=Decimal(2)), attempt_at(second, 2, model_id="m", cost=Decimal(3))])
    summarize_day(engine, first.date())
    book([attempt_at(first, 3, model_id="m", cost=Decimal(50)), attempt_at(first, 4, model_id="new", cost=Decimal(7))])
    assert prune(engine, TEN_DAYS, now=NOW, pause=no_pause).attempts == 4
    summaries = {(row.date, row.model_id): row.total_cost for row in read(daily_usage_summary)}
    assert summaries == {(date(2026, 10, 21), "m"): 2, (date(2026, 10, 21), "new"): 7, (date(2026, 10, 31), "m"): 3}
