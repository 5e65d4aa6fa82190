"""What each key was used for in a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Engine, case, cast, func, select

from pool_client.stats import DayStats
from pool_worker.ledger.rows import NOT_CALLS
from pool_worker.ledger.tables import usage_logs


def totals_by_key(engine: Engine, day: date) -> dict[str, DayStats]:
    """Key id → the calls of a UTC day; one statement, which reads the attempts of that day."""
    since = datetime.combine(day, time(), UTC)
    log = usage_logs.c
    facts = {
        "calls": func.count(),
        "successes": func.count(case((log.success, 1))),
        "input_tokens": cast(func.sum(log.input_tokens), BigInteger),
        "output_tokens": cast(func.sum(log.output_tokens), BigInteger),
        "cost_usd": func.sum(log.cost),
    }
    query = (
        select(log.key_id, *facts.values())
        .where(log.created_at >= since, log.created_at < since + timedelta(days=1))
        .where(log.key_id.is_not(None), log.outcome.not_in(NOT_CALLS))
        .group_by(log.key_id)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return {key_id: DayStats(**dict(zip(facts, map(_plain, sums), strict=True))) for key_id, *sums in rows}


def _plain(amount: Any) -> Any:
    """A database's sum of money may be written 0E-12."""
    return Decimal(f"{amount.normalize():f}") if isinstance(amount, Decimal) else amount
