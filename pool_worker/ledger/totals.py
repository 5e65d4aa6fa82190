"""What each key was used for in a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import BigInteger, Engine, case, cast, func, select

from pool_client.stats import DayStats
from pool_worker.ledger.rows import NOT_CALLS
from pool_worker.ledger.tables import usage_logs


def totals_by_key(engine: Engine, day: date) -> dict[str, DayStats]:
    """Key id → the calls of a UTC day; one statement, which reads the attempts of that day."""
    since = datetime.combine(day, time(), UTC)
    log = usage_logs.c
    query = (
        select(
            log.key_id,
            func.count().label("calls"),
            func.count(case((log.success, 1))).label("successes"),
            cast(func.sum(log.input_tokens), BigInteger).label("input_tokens"),
            cast(func.sum(log.output_tokens), BigInteger).label("output_tokens"),
            func.sum(log.cost).label("cost_usd"),
        )
        .where(log.created_at >= since, log.created_at < since + timedelta(days=1))
        .where(log.key_id.is_not(None), log.outcome.not_in(NOT_CALLS))
        .group_by(log.key_id)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return {row["key_id"]: DayStats(**{name: row[name] for name in DayStats.model_fields}) for row in rows}
