"""A job's record in Redis (the hash `redis_keys.job`), read as a `Status`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from pool_client.errors import ConfigurationError
from pool_client.job import Attempt, JobState, Priority, Status

_TRAIL = TypeAdapter(list[Attempt])


def parse_status(job_id: str, record: Mapping[str, str]) -> Status:
    """Where the job is, by its record (fields and values as text).

    Raises:
        ConfigurationError: if it is not a record that this release knows.
    """
    try:
        return _status(job_id, record)
    except (KeyError, ValueError, OverflowError) as error:
        seen = "its trail" if isinstance(error, ValidationError) else error
        msg = f"this release of pool_client cannot read the record of job {job_id} ({seen}): install the workers' release"
        raise ConfigurationError(msg) from None


def _status(job_id: str, record: Mapping[str, str]) -> Status:
    state = JobState(record["state"])
    is_parked = state is JobState.PARKED
    return Status(
        job_id=job_id,
        state=state,
        agent=record["agent"],
        priority=Priority(record["priority"]),
        queue=record["queue"],
        submitted_at=_time(record["submitted_ms"]),
        started_at=_time_or_none(record.get("started_ms")),
        finished_at=_time_or_none(record.get("finished_ms")),
        waits_until=_time_or_none(record.get("due_ms")) if is_parked else None,
        wait_reason=record.get("wait_reason") or None if is_parked else None,
        hops=int(record.get("hops") or 0),
        restarts=int(record.get("restarts") or 0),
        model_id=record.get("model_id") or None,
        attempts=_TRAIL.validate_json(record.get("trail") or "[]"),
    )


def _time(ms: str) -> datetime:
    return datetime.fromtimestamp(float(ms) / 1000, UTC)


def _time_or_none(ms: str | None) -> datetime | None:
    return _time(ms) if ms else None
