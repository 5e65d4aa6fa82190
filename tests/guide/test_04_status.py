"""Page 4: where a job is.

`queued` → `running` → `succeeded`, `failed` or `cancelled`; or `parked` on the way, when every quota is spent and it waits for
the time at which one returns.
"""

from __future__ import annotations

from pool_client import JobState, Pool


def test_ask_where_a_job_is() -> None:
    """Asking costs one round trip to Redis; it disturbs nobody."""
    with Pool(agent="ai_manager") as pool:
        job = pool.submit("Plan the day", priority="critical")
        status = job.status()

    assert status.state is JobState.QUEUED
    assert status.queue == "free"
    assert status.priority == "critical"
    assert status.attempts == []
    assert not status.state.is_final
