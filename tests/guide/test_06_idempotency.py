"""Page 6: submitting something once, however often you try.

A program that was interrupted does not know whether its job was accepted. With an idempotency key it simply submits again.
"""

from __future__ import annotations

from pool_client import Pool


def test_the_same_key_is_the_same_job() -> None:
    """Keys are the agent's own, and are kept for 24 hours. The job of the first submission stands, whatever the second says."""
    with Pool(agent="security_monitor") as pool:
        first = pool.submit("Summarize the alerts of June 1st", idempotency_key="alerts-2025-06-01")
        again = pool.submit("Summarize the alerts of June 1st", idempotency_key="alerts-2025-06-01")

    assert again.id == first.id
