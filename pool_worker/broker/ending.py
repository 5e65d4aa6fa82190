"""How a job ends whose message is buried: drawn from its record, of whatever release that is. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from pool_client.job import Attempt, Failure, Job, JobState, Priority, Tier
from pool_client.outcome import cancelled, render_outcome
from pool_worker.broker.reading import UndeliverableError
from pool_worker.ledger.rows import job_row

FIELDS = ("state", "spec", "trail", "cancel", "agent", "priority", "queue", "submitted_ms")
"""Of the record: what is read here."""
_TRAIL = TypeAdapter(list[Attempt])


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a job, in the order of the script's arguments."""

    state_before: str = ""
    """"": there is no such job."""
    state: str = ""
    """"": it stays as it is."""
    outcome: str = ""
    """JSON, as callers read it."""
    row: str = ""
    """JSON, as the ledger reads it; "": it has been told."""


def ending_of(job_id: str, record: Mapping[str, str], why: UndeliverableError, *, at: datetime) -> Ending:
    """It fails for this reason; but it is cancelled if its caller asked for that, and an end that it has had stays.

    `record`: of the record's `FIELDS` those that it has.
    """
    if record.get("state") not in set(JobState):
        return Ending(record.get("state", ""))
    state_before = JobState(record["state"])
    if state_before is JobState.CANCELLED or ("cancel" in record and not state_before.is_final):
        state, outcome = JobState.CANCELLED, cancelled(job_id, at=at)
    elif state_before.is_final:
        return Ending(state_before.value)
    else:
        state, outcome = JobState.FAILED, _failure(job_id, why, at=at)
    outcome = outcome.model_copy(update={"attempts": _attempts(record)})
    row = job_row(_job(job_id, record, at=at), outcome, finished_at=at)
    return Ending(state_before.value, state.value, render_outcome(outcome), row.to_fields()["data"])


def _failure(job_id: str, why: UndeliverableError, *, at: datetime) -> Failure:
    again = f"it is kept as a dead letter: `model-pool dead retry {job_id}` has it tried again"
    kind = why.told_as
    return Failure(job_id=job_id, type=kind.__name__, message=f"{why.reason}; {again}", retryable=kind.retryable, at=at)


def _attempts(record: Mapping[str, str]) -> list[Attempt]:
    try:
        return _TRAIL.validate_json(record.get("trail") or "[]")
    except ValidationError:
        return []


def _job(job_id: str, record: Mapping[str, str], *, at: datetime) -> Job:
    """The job; of one of another release only what its record tells besides."""
    try:
        return Job.model_validate_json(record.get("spec", ""))
    except ValidationError:
        priority, tier = record.get("priority"), record.get("queue", "").partition(".")[0]
        submitted_ms = record.get("submitted_ms")
        return Job.model_construct(
            id=job_id,
            messages=[],
            agent=record.get("agent", "default"),
            priority=Priority(priority) if priority in set(Priority) else Priority.NORMAL,
            tier=Tier(tier) if tier in set(Tier) else Tier.FREE,
            submitted_at=datetime.fromtimestamp(float(submitted_ms) / 1000, UTC) if submitted_ms else at,
        )
