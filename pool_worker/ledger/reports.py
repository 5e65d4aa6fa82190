"""What the books say: usage and costs by group, one job with its attempts, the alerts. Plain queries, no state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Engine, Label, Select, case, cast, func, or_, select, update

from pool_worker.alert_rules import Severity
from pool_worker.errors import FAILOVERS, WindowSpentError
from pool_worker.ledger.calls import COLUMNS, EVERYTHING, By, Only, calls, latency_percentile, ranked
from pool_worker.ledger.database import writing
from pool_worker.ledger.rows import OVER, AttemptRow, JobRow, row_from_columns
from pool_worker.ledger.tables import alerts, jobs, models, usage_logs

TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Usage of one group. Calls are attempts that were sent to a provider; latencies are those of the successful ones."""

    group: str
    calls: int
    successes: int
    refusals: int
    """Answers that a limit was reached: status 429 or a spent window."""
    errors: int
    """Calls that were neither answered nor refused so."""
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    avg_latency_ms: float | None
    """None: there was no success."""
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None


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
    only: Only = EVERYTHING,
) -> list[UsageRow]:
    """Usage from `since` until just before `until` (None: no end), one row per group in the groups' order."""
    query = _usage_of(calls(by, since=since, until=until, only=only))
    with engine.connect() as connection:
        found = connection.execute(query).mappings().all()
    return [UsageRow(**_with_group(row)) for row in found]


def costs(engine: Engine, *, since: datetime, until: datetime | None = None, by: By = By.MODEL) -> list[CostRow]:
    """What was spent from `since` until just before `until` (None: no end): day by day, of all else the dearest group first."""
    call = calls(by, since=since, until=until).subquery().c
    cost = func.sum(call.cost)
    query = select(call.group, func.count().label("calls"), cost.label("cost_usd")).group_by(call.group)
    order = [call.group] if by is By.DAY else [cost.desc(), call.group]
    with engine.connect() as connection:
        found = connection.execute(query.order_by(*order)).mappings().all()
    return [CostRow(**_with_group(row)) for row in found]


def spent_since(engine: Engine, since: datetime, *, until: datetime | None = None) -> Decimal:
    """USD spent on attempts from `since` until just before `until` (None: no end); exact."""
    query = select(func.sum(usage_logs.c.cost)).where(usage_logs.c.created_at >= since)
    if until is not None:
        query = query.where(usage_logs.c.created_at < until)
    with engine.connect() as connection:
        return connection.execute(query).scalar() or Decimal(0)


def unpriced_calls(engine: Engine, *, since: datetime) -> int:
    """How many calls that began at `since` or later are counted as free because the price of their model is not known."""
    unknown = select(models.c.model_id).where(models.c.cost_per_1k_tokens.is_(None))
    log = usage_logs.c
    query = select(func.count()).where(
        log.created_at >= since, log.tokens_used > 0, log.cost == Decimal(0), log.model_id.in_(unknown)
    )
    with engine.connect() as connection:
        return connection.execute(query).scalar_one()


def first_call(engine: Engine) -> datetime | None:
    """When the oldest attempt in the ledger began; None if there is none."""
    with engine.connect() as connection:
        return connection.execute(select(func.min(usage_logs.c.created_at))).scalar()


def names_of(engine: Engine, by: By) -> list[str]:
    """Every model, provider, key or agent that an attempt in the ledger has, in order; reads all of them."""
    column = COLUMNS[by]
    with engine.connect() as connection:
        return list(connection.execute(select(column).where(column.is_not(None)).distinct().order_by(column)).scalars())


def failovers(engine: Engine, *, since: datetime) -> list[FailoverRow]:
    """The calls that began at `since` or later and were made in vain; models in order, of each the most frequent reason first."""
    log, count = usage_logs.c, func.count().label("calls")
    model_id = func.coalesce(log.model_id, "-")  # grouped by the bare column, SQLite reads the whole table by the model's index
    reason = (model_id, log.outcome, log.status_code)
    query = (
        select(model_id.label("model_id"), log.outcome, log.status_code, count)
        .where(log.created_at >= since, log.outcome.in_(sorted(FAILOVERS)))
        .group_by(*reason)
        .order_by(model_id, count.desc(), log.outcome, log.status_code)
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


def count_seen(engine: Engine) -> int:
    """The alerts that somebody acknowledged and that are not over."""
    seen = (alerts.c.acknowledged_at.is_not(None), alerts.c.severity != OVER, _end_of_alert().is_(None))
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(alerts).where(*seen)).scalar_one()


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
    """The same of every alert that nobody has seen yet; returns how many of them were not over."""
    unseen = alerts.c.acknowledged.is_(False)
    are_open = select(func.count()).select_from(alerts).where(unseen, _end_of_alert().is_(None))
    with writing(engine) as connection:
        count = connection.execute(are_open).scalar_one()
        connection.execute(update(alerts).where(unseen).values(acknowledged=True, acknowledged_at=at))
    return count


def _usage_of(found: Select[Any]) -> Select[Any]:
    """Sums and percentiles per group."""
    of = ranked(found)
    row = of.c
    refused = or_(row.status_code == TOO_MANY_REQUESTS, row.outcome == WindowSpentError.__name__)
    count, successes, refusals = func.count(), func.count(case((row.success, 1))), func.count(case((refused, 1)))
    return (
        select(
            row.group,
            count.label("calls"),
            successes.label("successes"),
            refusals.label("refusals"),
            (count - successes - refusals).label("errors"),
            cast(func.sum(row.input_tokens), BigInteger).label("input_tokens"),
            cast(func.sum(row.output_tokens), BigInteger).label("output_tokens"),
            func.sum(row.cost).label("cost_usd"),
            func.avg(case((row.success, row.response_time_ms))).label("avg_latency_ms"),
            *(latency_percentile(of, percent).label(f"p{percent}_latency_ms") for percent in (50, 95, 99)),
        )
        .group_by(row.group)
        .order_by(row.group)
    )


def _with_group(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A group is a text: a day in ISO form, `-` for attempts that had no model, provider or key yet."""
    group = row["group"]
    return {**row, "group": group.isoformat() if isinstance(group, date) else group or "-"}
