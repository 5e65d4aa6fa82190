"""What travels to the ledger: one frozen row per attempt, job, alert, delivery and event, and its form in the outbox stream.

An entry of the stream has three fields: `kind` (attempt, job, alert, delivery, event), `id` (what makes a second delivery the
same row) and `data` (JSON; money as strings, times in ISO 8601 with an offset). Fields of `data` that a reader does not know are
ignored: a worker of the next release may already send more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from pool_client.errors import JobCancelledError
from pool_client.job import Attempt, Failure, Job, JobState, Priority, Result, Step, Tier
from pool_worker.alert_rules import Severity
from pool_worker.ledger.columns import MAX_USD

NOT_CALLS = (Step.MOVED.value, Step.PAUSED.value)
"""Outcomes of attempts that called nobody."""

MAX_TEXT = 2_000
"""Characters of a text from outside (a refusal's reason, an alert's message) that are kept."""

Entry = tuple[str, str, str]
"""A row on its way through the outbox: kind, id, data (JSON)."""

Count = Annotated[int, Field(ge=0, le=2**53)]
Small = Annotated[int, Field(ge=0, le=2**31 - 1)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Amount = Annotated[Decimal, Field(ge=0, le=MAX_USD)]
OVER: Severity = "info"
"""An alert of this severity says that what the earlier ones of its cause told of is over."""


class MalformedRowError(ValueError):
    """An entry of the outbox is not a row; the message names the field and says what would be right."""


class _Row:
    kind: ClassVar[str]
    id_column: ClassVar[str]

    def to_fields(self) -> dict[str, str]:
        """The entry to XADD to `redis_keys.OUTBOX`."""
        return {
            "kind": self.kind,
            "id": getattr(self, self.id_column),
            "data": _ADAPTERS[self.kind].dump_json(self).decode(),
        }

    def to_entry(self) -> Entry:
        """The same as a script takes it."""
        entry = self.to_fields()
        return entry["kind"], entry["id"], entry["data"]

    def to_columns(self) -> dict[str, Any]:
        """The values to insert, by column."""
        names = (item.name for item in fields(self))  # type: ignore[arg-type]  # every row is a dataclass
        values = {name: getattr(self, name) for name in names}
        return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow(_Row):
    """One attempt of a job (table `usage_logs`); `created_at` is when it began."""

    kind: ClassVar = "attempt"
    id_column: ClassVar = "attempt_id"

    attempt_id: str
    job_id: str
    attempt: Small
    agent: str
    queue: str
    outcome: str
    created_at: AwareDatetime
    task_type: str | None = None
    batch: str | None = None
    model_id: str | None = None
    provider: str | None = None
    key_id: str | None = None
    status_code: Small | None = None
    error_message: str | None = None
    input_tokens: Count = 0
    output_tokens: Count = 0
    cost: Amount = Decimal(0)
    response_time_ms: Milliseconds = 0.0
    added_ms: Milliseconds = 0.0

    def to_columns(self) -> dict[str, Any]:
        """Also the columns that follow from others."""
        tokens = self.input_tokens + self.output_tokens
        return {**_Row.to_columns(self), "success": self.outcome == Step.OK, "tokens_used": tokens}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow(_Row):
    """One job (table `jobs`), without its prompt and its answer."""

    kind: ClassVar = "job"
    id_column: ClassVar = "job_id"

    job_id: str
    agent: str
    state: JobState
    priority: Priority
    tier: Tier
    submitted_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    latency_ms: Milliseconds | None = None
    """From the submission to the end, waiting included."""
    task_type: str | None = None
    model_id: str | None = None
    provider: str | None = None
    cost: Amount = Decimal(0)
    """Of all its attempts."""
    input_tokens: Count = 0
    output_tokens: Count = 0
    attempts: Small = 0
    """Calls; hops are not among them."""
    hops: Small = 0
    cached: bool = False
    degraded: bool = False
    error_type: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow(_Row):
    """Something that a person should know (table `alerts`)."""

    kind: ClassVar = "alert"
    id_column: ClassVar = "alert_id"

    alert_id: str
    severity: Severity
    source: str
    cause: str
    """What it is about, e.g. `quota:groq#1:day:90`: the same cause is told once."""
    title: str
    message: str
    created_at: AwareDatetime
    acknowledged: bool = False
    acknowledged_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow(_Row):
    """An alert that was sent to one target, or was to be (table `alert_deliveries`)."""

    kind: ClassVar = "delivery"
    id_column: ClassVar = "delivery_id"

    delivery_id: str
    alert_id: str
    target: str
    """As it may be shown: no token, no password."""
    attempt: Small
    """Counted from 1."""
    at: AwareDatetime
    ok: bool
    error: str | None = None
    is_last: bool = False
    """Whether it failed, and is not tried again."""
    in_digest: bool = False
    """Whether it came in one message with others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow(_Row):
    """Something that happened to an agent (table `agent_events`)."""

    kind: ClassVar = "event"
    id_column: ClassVar = "event_id"

    event_id: str
    agent_id: str
    event_type: str
    created_at: AwareDatetime
    event_data: dict[str, Any] = field(default_factory=dict)


Row = AttemptRow | JobRow | AlertRow | DeliveryRow | EventRow
RowT = TypeVar("RowT", AttemptRow, JobRow, AlertRow, DeliveryRow, EventRow)


def attempt_row(job: Job, attempt: Attempt) -> AttemptRow:
    """One attempt of a job."""
    return AttemptRow(
        attempt_id=attempt.id,
        job_id=job.id,
        attempt=attempt.number,
        agent=job.agent,
        queue=attempt.queue,
        outcome=attempt.outcome,
        created_at=attempt.started_at,
        task_type=job.task_type,
        batch=job.batch,
        model_id=attempt.model_id,
        provider=attempt.provider,
        key_id=attempt.key_id,
        status_code=attempt.status_code,
        error_message=None if attempt.outcome == Step.OK else storable(attempt.reason),
        input_tokens=attempt.usage.input_tokens,
        output_tokens=attempt.usage.output_tokens,
        cost=attempt.cost_usd,
        response_time_ms=attempt.latency_ms,
        added_ms=attempt.added_ms,
    )


def job_row(job: Job, outcome: Result | Failure, *, finished_at: datetime) -> JobRow:
    """A job that ended; its money and tokens are the sums over its attempts."""
    calls = [attempt for attempt in outcome.attempts if attempt.is_call]
    last = outcome if isinstance(outcome, Result) else (calls[-1] if calls else None)
    return JobRow(
        job_id=job.id,
        agent=job.agent,
        state=_final_state(outcome),
        priority=job.priority,
        tier=job.tier,
        submitted_at=job.submitted_at,
        finished_at=finished_at,
        latency_ms=max(0.0, (finished_at - job.submitted_at).total_seconds() * 1000),
        task_type=job.task_type,
        model_id=None if last is None else last.model_id,
        provider=None if last is None else last.provider,
        cost=sum((attempt.cost_usd for attempt in calls), Decimal(0)),
        input_tokens=sum(attempt.usage.input_tokens for attempt in calls),
        output_tokens=sum(attempt.usage.output_tokens for attempt in calls),
        attempts=len(calls),
        hops=sum(attempt.outcome == Step.MOVED for attempt in outcome.attempts),
        cached=isinstance(outcome, Result) and outcome.cached,
        degraded=isinstance(outcome, Result) and outcome.degraded,
        error_type=outcome.type if isinstance(outcome, Failure) else None,
        error_message=storable(outcome.message) if isinstance(outcome, Failure) else None,
    )


def _final_state(outcome: Result | Failure) -> JobState:
    if isinstance(outcome, Result):
        return JobState.SUCCEEDED
    return JobState.CANCELLED if outcome.type == JobCancelledError.__name__ else JobState.FAILED


def storable(text: str) -> str:
    """A text from outside as every database takes it: no NUL, no half surrogates, at most `MAX_TEXT` characters."""
    return text[:MAX_TEXT].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


_KINDS = (AttemptRow, JobRow, AlertRow, DeliveryRow, EventRow)
_ADAPTERS: dict[str, TypeAdapter[Any]] = {row.kind: TypeAdapter(row) for row in _KINDS}


def row_from_fields(entry: Mapping[str, str]) -> Row:
    """The row in an entry of the outbox.

    Raises:
        MalformedRowError: if it is none.
    """
    for name in ("kind", "id", "data"):
        if name not in entry:
            msg = f"{name}: missing; an entry has the fields kind, id and data"
            raise MalformedRowError(msg)
    adapter = _ADAPTERS.get(entry["kind"])
    if adapter is None:
        msg = f"kind: {entry['kind'][:40]!r} is none of {', '.join(_ADAPTERS)}"
        raise MalformedRowError(msg)
    try:
        row: Row = adapter.validate_json(entry["data"])
    except ValidationError as error:
        raise MalformedRowError(_sentence(error)) from None
    if entry["id"] != getattr(row, row.id_column):
        msg = f"id: {entry['id'][:80]!r} is not data.{row.id_column}"
        raise MalformedRowError(msg)
    return row


def row_from_columns(kind: type[RowT], columns: Mapping[str, Any]) -> RowT:
    """The row that a database row stands for; columns that it does not have are ignored."""
    row: RowT = _ADAPTERS[kind.kind].validate_python(dict(columns))
    return row


def _sentence(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(".".join(("data", *map(str, detail["loc"]))) + ": " + detail["msg"] for detail in details[:5])
