"""What the books say: usage and costs by group, one job with its attempts, the alerts. Plain queries, no state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Engine, Label, Select, and_, case, cast, func, or_, select, update

from pool_worker.alert_rules import Severity
from pool_worker.errors import FAILOVERS, WindowSpentError
from pool_worker.ledger.columns import utc_day
from pool_worker.ledger.database import writing
from pool_worker.ledger.rows import NOT_CALLS, OVER, AttemptRow, JobRow, row_from_columns
from pool_worker.ledger.tables import alerts, jobs, usage_logs

TOO_MANY_REQUESTS = 429


class By(StrEnum):
    """What a report groups by."""

    MODEL = "model"
    PROVIDER = "provider"
    KEY = "key"
    AGENT = "agent"
    DAY = "day"
    """The UTC day."""


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Usage of one group. Calls are attempts that were sent to a provider; latencies are those of the successful ones."""

    group: str
    calls: int
    successes: int
    refusals: int
    """Answers that a limit was reached: status 429 or a spent window."""
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    avg_latency_ms: float | None
    """None: there was no success."""
    p50_latency_ms: float | None
    p95_latency_ms: float | None


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one group cost."""

    group: str
    calls: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class FailoverRow:
    """Calls to one model that were made in vain, for one reason."""

    model_id: str
    outcome: str
    status_code: int | None
    """None: there was no answer."""
    calls: int


@dataclass(frozen=True, slots=True)
class JobReport:
    """A job with its attempts in their order."""

    job: JobRow | None
    """None: it has not ended, or its row is still on its way."""
    attempts: tuple[AttemptRow, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as the table has it."""

    id: int
    severity: Severity
    source: str
    cause: str
    title: str
    message: str
    created_at: datetime
    acknowledged: bool
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    """When what it told of was over; None: not yet, or nobody would notice."""


def usage(
    engine: Engine,
    *,
    since: datetime,
    until: datetime | None = None,
    by: By = By.MODEL,
    model: str | None = None,
    agent: str | None = None,
) -> list[UsageRow]:
    """Usage from `since` until just before `until` (None: no end), one row per group in the groups' order."""
    calls = _calls(by, since=since, until=until, model=model, agent=agent)
    with engine.connect() as connection:
        found = connection.execute(_usage_of(calls)).mappings().all()
    return [UsageRow(**_with_group(row)) for row in found]


def costs(engine: Engine, *, since: datetime, until: datetime | None = None, by: By = By.MODEL) -> list[CostRow]:
    """What was spent from `since` until just before `until` (None: no end), the dearest group first."""
    calls = _calls(by, since=since, until=until).subquery()
    cost = func.sum(calls.c.cost)
    query = select(calls.c.group, func.count().label("calls"), cost.label("cost_usd")).group_by(calls.c.group)
    with engine.connect() as connection:
        found = connection.execute(query.order_by(cost.desc(), calls.c.group)).mappings().all()
    return [CostRow(**_with_group(row)) for row in found]


def spent_since(engine: Engine, since: datetime, *, agent: str | None = None) -> Decimal:
    """USD spent on attempts that began at `since` or later, by everybody or by one agent; exact."""
    query = select(func.sum(usage_logs.c.cost)).where(usage_logs.c.created_at >= since)
    if agent is not None:
        query = query.where(usage_logs.c.agent == agent)
    with engine.connect() as connection:
        return connection.execute(query).scalar() or Decimal(0)


def failovers(engine: Engine, *, since: datetime) -> list[FailoverRow]:
    """The calls that began at `since` or later and were made in vain; models in order, of each the most frequent reason first."""
    log, calls = usage_logs.c, func.count().label("calls")
    model_id = func.coalesce(log.model_id, "-")  # grouped by the bare column, SQLite reads the whole table by the model's index
    reason = (model_id, log.outcome, log.status_code)
    query = (
        select(model_id.label("model_id"), log.outcome, log.status_code, calls)
        .where(log.created_at >= since, log.outcome.in_(sorted(FAILOVERS)))
        .group_by(*reason)
        .order_by(model_id, calls.desc(), log.outcome, log.status_code)
    )
    with engine.connect() as connection:
        return [FailoverRow(**row) for row in connection.execute(query).mappings()]


def job(engine: Engine, job_id: str) -> JobReport | None:
    """A job with the attempts that the books have of it; None if they have nothing."""
    with engine.connect() as connection:
        ended = connection.execute(select(jobs).where(jobs.c.job_id == job_id)).mappings().one_or_none()
        query = select(usage_logs).where(usage_logs.c.job_id == job_id).order_by(usage_logs.c.attempt, usage_logs.c.created_at)
        attempts = tuple(row_from_columns(AttemptRow, dict(row)) for row in connection.execute(query).mappings())
    if ended is None and not attempts:
        return None
    return JobReport(None if ended is None else row_from_columns(JobRow, dict(ended)), attempts)


def list_alerts(engine: Engine, *, since: datetime | None = None, open_only: bool = False, limit: int = 100) -> list[Alert]:
    """Alerts, the newest first; with `open_only` those that nobody acknowledged and that are not over."""
    end = _end_of_alert()
    columns = (alerts.c[name] for name in Alert.__slots__ if name != end.name)
    query = select(*columns, end).order_by(alerts.c.created_at.desc(), alerts.c.id.desc())
    if since is not None:
        query = query.where(alerts.c.created_at >= since)
    if open_only:
        query = query.where(alerts.c.acknowledged.is_(False), end.is_(None))
    with engine.connect() as connection:
        return [Alert(**row) for row in connection.execute(query.limit(limit)).mappings()]


def _end_of_alert() -> Label[datetime | None]:
    """When an alert was over: the first later one of its cause that says so."""
    later = alerts.alias()
    ends_it = (later.c.cause == alerts.c.cause, later.c.created_at > alerts.c.created_at, later.c.severity == OVER)
    found = select(func.min(later.c.created_at)).where(*ends_it, alerts.c.severity != OVER)
    return found.correlate(alerts).scalar_subquery().label("resolved_at")


def acknowledge(engine: Engine, alert_id: int, *, at: datetime) -> bool:
    """Note that a person has seen the alert; the first time counts. False if there is no such alert."""
    first = case((alerts.c.acknowledged, alerts.c.acknowledged_at), else_=at)
    change = update(alerts).where(alerts.c.id == alert_id).values(acknowledged=True, acknowledged_at=first)
    with writing(engine) as connection:
        return connection.execute(change).rowcount == 1


def acknowledge_all(engine: Engine, *, at: datetime) -> int:
    """The same of every alert that nobody has seen yet; returns how many."""
    change = update(alerts).where(alerts.c.acknowledged.is_(False)).values(acknowledged=True, acknowledged_at=at)
    with writing(engine) as connection:
        return connection.execute(change).rowcount


def _calls(by: By, *, since: datetime, until: datetime | None, model: str | None = None, agent: str | None = None) -> Select[Any]:
    """The calls asked for, each with its group."""
    log = usage_logs.c
    groups: dict[By, ColumnElement[Any]] = {
        By.MODEL: log.model_id,
        By.PROVIDER: log.provider,
        By.KEY: log.key_id,
        By.AGENT: log.agent,
        By.DAY: utc_day(log.created_at),
    }
    query = select(groups[by].label("group"), usage_logs).where(log.created_at >= since, log.outcome.not_in(NOT_CALLS))
    if until is not None:
        query = query.where(log.created_at < until)
    if model is not None:
        query = query.where(log.model_id == model)
    if agent is not None:
        query = query.where(log.agent == agent)
    return query


def _usage_of(calls: Select[Any]) -> Select[Any]:
    """Sums per group, and percentiles by nearest rank: window functions do that alike in both databases."""
    call = calls.subquery()
    peers = [call.c.group, call.c.success]
    rank = func.row_number().over(partition_by=peers, order_by=call.c.response_time_ms)
    ranked = select(call, rank.label("rank"), func.count().over(partition_by=peers).label("peers")).subquery()
    row = ranked.c
    latency_ms = row.response_time_ms
    refused = or_(row.status_code == TOO_MANY_REQUESTS, row.outcome == WindowSpentError.__name__)

    def percentile(percent: int) -> ColumnElement[float]:
        return func.min(case((and_(row.success, row.rank * 100 >= row.peers * percent), latency_ms)))

    return (
        select(
            row.group,
            func.count().label("calls"),
            func.count(case((row.success, 1))).label("successes"),
            func.count(case((refused, 1))).label("refusals"),
            cast(func.sum(row.input_tokens), BigInteger).label("input_tokens"),
            cast(func.sum(row.output_tokens), BigInteger).label("output_tokens"),
            func.sum(row.cost).label("cost_usd"),
            func.avg(case((row.success, latency_ms))).label("avg_latency_ms"),
            percentile(50).label("p50_latency_ms"),
            percentile(95).label("p95_latency_ms"),
        )
        .group_by(row.group)
        .order_by(row.group)
    )


def _with_group(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A group is a text: a day in ISO form, `-` for attempts that had no model, provider or key yet."""
    group = row["group"]
    return {**row, "group": group.isoformat() if isinstance(group, date) else group or "-"}
