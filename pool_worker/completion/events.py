"""What happens to an agent and its operator has to know. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pool_client.job import Job
from pool_worker.ledger.rows import EventRow
from pool_worker.limits.acquire import Exhausted


def held_by_budget(job: Job, place: Exhausted, *, timezone: str, at: datetime) -> EventRow:
    """A job of this agent is not done today because money is spent; one row for an agent and day, however many jobs."""
    until = None if place.retry_at_ms is None else datetime.fromtimestamp(place.retry_at_ms / 1000, UTC).isoformat()
    return EventRow(
        event_id=f"held_by_budget:{job.agent}:{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d}",
        agent_id=job.agent,
        event_type="held_by_budget",
        event_data={"job_id": job.id, "reason": place.reason, "until": until},
        created_at=at,
    )
