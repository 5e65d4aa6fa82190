"""What is known of one job, wherever it was found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pool_client.job import Attempt, Failure, JobState, Priority, Result, Selection, Status


class Source(StrEnum):
    """Where it was found."""

    REDIS = "redis"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """One job; its prompt is not among the facts."""

    job_id: str
    source: Source
    source_note: str | None = None
    """Which ledger, and why it and not Redis."""
    state: JobState | None
    """None: the ledger has attempts of it but not its end."""
    agent: str | None
    priority: Priority | None
    queue: str | None
    """Where it is, or was last; None: not known any more."""
    submitted_at: datetime | None
    started_at: datetime | None
    """When a worker first took it."""
    finished_at: datetime | None
    where: str | None = None
    """In words, if it has not ended: how many stand before it, who runs it, what it waits for."""
    waits_until: datetime | None = None
    wait_reason: str | None = None
    model_id: str | None = None
    degraded: bool = False
    content: str | None = None
    """Its answer; None: there is none, or it is not kept any more."""
    tool_calls: list[dict[str, Any]] | None = None
    error_type: str | None = None
    error_message: str | None = None
    selection: Selection | None = None
    """Why this model answered; the ledger does not keep it."""
    cost_usd: Decimal = Decimal(0)
    hops: int = 0
    restarts: int = 0
    attempts: tuple[Attempt, ...] = ()


def facts_of_record(status: Status, outcome: Result | Failure | None, *, where: str | None) -> JobFacts:
    """A job as Redis has it."""
    failure = outcome if isinstance(outcome, Failure) else None
    result = outcome if isinstance(outcome, Result) else None
    return JobFacts(
        job_id=status.job_id,
        source=Source.REDIS,
        state=status.state,
        agent=status.agent,
        priority=status.priority,
        queue=status.queue,
        submitted_at=status.submitted_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        where=where,
        waits_until=status.waits_until,
        wait_reason=status.wait_reason,
        model_id=status.model_id,
        degraded=result is not None and result.degraded,
        content=None if result is None else result.content,
        tool_calls=None if result is None else result.tool_calls,
        selection=None if result is None else result.selection,
        error_type=None if failure is None else failure.type,
        error_message=None if failure is None else failure.message,
        cost_usd=sum((attempt.cost_usd for attempt in status.attempts), Decimal(0)),
        hops=status.hops,
        restarts=status.restarts,
        attempts=tuple(status.attempts),
    )
