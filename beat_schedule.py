"""What beat runs, and how often. A tick that nobody could take before the next one is dropped (`expires`), so none pile up."""

from __future__ import annotations

from typing import Any

CADENCE_S: dict[str, float] = {
    "pool.release_due_jobs": 1,  # parked jobs whose time has come go back to their queues
    "pool.expire_leases": 5,  # reservations of dead workers come back
    "pool.write_ledger": 1,  # rows wait in the outbox until here
    "pool.probe_health": 30,  # what traffic does not tell
    "pool.check_budgets": 30,  # alerts at 80 % and 100 %
    "pool.check_quotas": 30,  # warnings at 75 % and 90 %, and the roll-over of days
    "pool.summarise_days": 60,  # daily_usage_summary
}

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    task: {"task": task, "schedule": seconds, "options": {"expires": seconds, "priority": 0}}
    for task, seconds in CADENCE_S.items()
}
