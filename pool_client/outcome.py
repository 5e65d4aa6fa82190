"""How a job's outcome is stored: in the form that Celery's Redis result backend reads, so `AsyncResult(job_id).get()` works.

A success holds the `Result`; a failure holds the exception that Celery is to raise, with the whole `Failure` beside it. The
worker writes this when it finishes a job, and the client when it cancels one; both publish the same text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from pool_client.errors import ConfigurationError, JobCancelledError
from pool_client.job import Failure, Result

EXCEPTIONS_MODULE = "pool_client.errors"


class _StoredException(BaseModel):
    """An exception as Celery's backends serialize it to JSON."""

    exc_type: str
    exc_message: list[Any] | str = ""
    exc_module: str | None = None

    @property
    def message(self) -> str:
        parts = [self.exc_message] if isinstance(self.exc_message, str) else self.exc_message
        return " ".join(str(part) for part in parts)


class _StoredOutcome(BaseModel):
    """The value at `redis_keys.result(job_id)`, in Celery's own field names."""

    status: Literal["SUCCESS", "FAILURE", "REVOKED"]
    result: Result | _StoredException
    failure: Failure | None = None
    traceback: str | None = None
    children: list[Any] = Field(default_factory=list)
    date_done: AwareDatetime
    task_id: str


def cancelled(job_id: str, *, at: datetime) -> Failure:
    """The failure of a job that was cancelled."""
    kind = JobCancelledError
    return Failure(job_id=job_id, type=kind.__name__, message=str(kind()), at=at)


def render_outcome(outcome: Result | Failure, *, at: datetime | None = None) -> str:
    """The text to store and to publish for a job that ended `at` (UTC; by default a failure's own time, else now)."""
    if isinstance(outcome, Result):
        done = at or datetime.now(UTC)
        stored = _StoredOutcome(status="SUCCESS", result=outcome, date_done=done, task_id=outcome.job_id)
        return stored.model_dump_json(exclude={"failure"})
    return _StoredOutcome(
        status="REVOKED" if outcome.type == JobCancelledError.__name__ else "FAILURE",
        result=_StoredException(exc_type=outcome.type, exc_message=[outcome.message], exc_module=EXCEPTIONS_MODULE),
        failure=outcome,
        date_done=at or outcome.at,
        task_id=outcome.job_id,
    ).model_dump_json()


def parse_outcome(text: str) -> Result | Failure:
    """What `render_outcome` stored. An exception that Celery itself stored (a revoked task, say) is read as a `Failure`.

    Raises:
        ConfigurationError: if the text is not an outcome that this release knows.
    """
    try:
        stored = _StoredOutcome.model_validate_json(text)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, problem["loc"])) or "the whole" for problem in error.errors()}))
        msg = f"this release of pool_client cannot read a stored outcome (see {places}): install the workers' release"
        raise ConfigurationError(msg) from None
    if stored.failure:
        return stored.failure
    if isinstance(stored.result, Result):
        return stored.result
    kind = JobCancelledError.__name__ if stored.status == "REVOKED" else stored.result.exc_type
    return Failure(job_id=stored.task_id, type=kind, message=stored.result.message, at=stored.date_done)
