"""The daily summary per model, made from the attempts; making it again gives the same."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import BigInteger, Engine, Float, Select, case, cast, func, select

from pool_worker.errors import FAILOVERS
from pool_worker.ledger.calls import By, calls, latency_percentile, ranked
from pool_worker.ledger.database import writing
from pool_worker.ledger.tables import daily_usage_summary
from pool_worker.ledger.upsert import insert_into, replaced

KEY = ("date", "model_id")


def start_of(day: date) -> datetime:
    """The first instant of a UTC day."""
    return datetime.combine(day, time(), UTC)


def summarize_day(engine: Engine, day: date, *, anew: bool = True) -> int:
    """Write `daily_usage_summary` for one UTC day: one query in the database, whatever the number of attempts.

    It is read before anything is locked: on SQLite the ledger's writer would have to wait for a long day to be summed up.

    Args:
        engine: The ledger.
        day: The day.
        anew: Whether summaries that are there already are made again; False: they stay as they are.

    Returns:
        How many summaries were written.
    """
    names = daily_usage_summary.c.keys()
    with engine.connect() as connection:
        rows = [dict(zip(names, (day, *totals), strict=True)) for totals in connection.execute(_totals(day))]
    if not rows:
        return 0
    with writing(engine) as connection:
        statement = insert_into(connection, daily_usage_summary).values(rows)
        if anew:
            changes = replaced(statement, except_for=frozenset(KEY))
            upsert = statement.on_conflict_do_update(index_elements=KEY, set_=changes)
        else:
            upsert = statement.on_conflict_do_nothing(index_elements=KEY)
        return connection.execute(upsert.execution_options(preserve_rowcount=True)).rowcount


def _totals(day: date) -> Select[Any]:
    """A row per model, in the order of the table's columns after the date."""
    since = start_of(day)
    of = ranked(calls(By.MODEL, since=since, until=since + timedelta(days=1)))
    row = of.c
    return (
        select(
            row.model_id,
            func.count(),
            cast(func.sum(row.tokens_used), BigInteger),
            func.sum(row.cost),
            func.avg(cast(case((row.success, 1), else_=0), Float)),
            func.avg(case((row.success, row.response_time_ms))),
            *(latency_percentile(of, percent) for percent in (50, 95, 99)),
            cast(func.sum(row.input_tokens), BigInteger),
            cast(func.sum(row.output_tokens), BigInteger),
            func.count(case((row.outcome.in_(sorted(FAILOVERS)), 1))),
        )
        .where(row.model_id.is_not(None))
        .group_by(row.model_id)
    )


def summarize_recent(engine: Engine, *, now: datetime) -> int:
    """Summarize the day of `now` and the one before, whose last attempts may have arrived after midnight.

    Returns:
        How many summaries were written.
    """
    today = now.astimezone(UTC).date()
    return sum(summarize_day(engine, day) for day in (today - timedelta(days=1), today))
