"""The daily summary per model, made from the attempts; making it again gives the same."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Engine, Float, case, cast, func, literal, select
from sqlalchemy.types import Date

from pool_worker.ledger.database import writing
from pool_worker.ledger.rows import NOT_CALLS
from pool_worker.ledger.tables import daily_usage_summary, usage_logs
from pool_worker.ledger.upsert import insert_into, replaced


def summarize_day(engine: Engine, day: date) -> int:
    """Write `daily_usage_summary` for one UTC day: one statement in the database, whatever the number of attempts.

    Returns:
        For how many models there is a summary.
    """
    since = datetime.combine(day, time(), UTC)
    log = usage_logs.c
    totals = (
        select(
            literal(day, Date),
            log.model_id,
            func.count(),
            func.sum(log.tokens_used),
            func.sum(log.cost),
            func.avg(cast(case((log.success, 1), else_=0), Float)),
            func.avg(case((log.success, log.response_time_ms))),
        )
        .where(log.created_at >= since, log.created_at < since + timedelta(days=1))
        .where(log.model_id.is_not(None), log.outcome.not_in(NOT_CALLS))
        .group_by(log.model_id)
    )
    with writing(engine) as connection:
        statement = insert_into(connection, daily_usage_summary)
        upsert = statement.from_select(list(daily_usage_summary.c), totals).on_conflict_do_update(
            index_elements=["date", "model_id"], set_=replaced(statement, except_for=frozenset({"date", "model_id"}))
        )
        return connection.execute(upsert.execution_options(preserve_rowcount=True)).rowcount


def summarize_recent(engine: Engine, *, now: datetime) -> int:
    """Summarize the day of `now` and the one before, whose last attempts may have arrived after midnight.

    Returns:
        How many summaries were written.
    """
    today = now.astimezone(UTC).date()
    return sum(summarize_day(engine, day) for day in (today - timedelta(days=1), today))
