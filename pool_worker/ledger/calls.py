"""The calls in the ledger: those asked for, by group, and the percentiles of their latencies. Queries only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, select

from pool_worker.ledger.columns import utc_day
from pool_worker.ledger.rows import NOT_CALLS
from pool_worker.ledger.tables import usage_logs


class By(StrEnum):
    """What a report groups by."""

    MODEL = "model"
    PROVIDER = "provider"
    KEY = "key"
    AGENT = "agent"
    DAY = "day"
    """The UTC day."""


Only = Mapping[By, str]
"""What a report is confined to, e.g. `{By.AGENT: "log_analyzer"}`; nothing: everything."""
EVERYTHING: Only = MappingProxyType({})

COLUMNS: Mapping[By, ColumnElement[Any]] = {
    By.MODEL: usage_logs.c.model_id,
    By.PROVIDER: usage_logs.c.provider,
    By.KEY: usage_logs.c.key_id,
    By.AGENT: usage_logs.c.agent,
    By.DAY: utc_day(usage_logs.c.created_at),
}


def calls(by: By, *, since: datetime, until: datetime | None, only: Only = EVERYTHING) -> Select[Any]:
    """Every call that began at `since` or later and before `until` (None: no end), with its `group`."""
    log = usage_logs.c
    query = select(COLUMNS[by].label("group"), usage_logs).where(log.created_at >= since, log.outcome.not_in(NOT_CALLS))
    if until is not None:
        query = query.where(log.created_at < until)
    return query.where(*(COLUMNS[group] == value for group, value in only.items()))


def ranked(found: Select[Any]) -> Subquery:
    """The same calls, each with its `rank` by latency among its `peers`: those of its group that came to the same."""
    call = found.subquery()
    peers = [call.c.group, call.c.success]
    rank = func.row_number().over(partition_by=peers, order_by=call.c.response_time_ms)
    return select(call, rank.label("rank"), func.count().over(partition_by=peers).label("peers")).subquery()


def latency_percentile(of: Subquery, percent: int) -> ColumnElement[float]:
    """The latency (ms) that so many of a group's successful calls did not exceed, by nearest rank; of `ranked` calls.

    Window functions mean the same on SQLite and PostgreSQL; `percentile_cont` only one of them has.
    """
    row = of.c
    return func.min(case((and_(row.success, row.rank * 100 >= row.peers * percent), row.response_time_ms)))
