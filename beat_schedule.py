"""What beat runs, and how often. A tick that nobody took in time is dropped (`expires`), and none is sent while many wait."""

from __future__ import annotations

from typing import Any

CADENCE_S: dict[str, float] = {
    "pool.expire_leases": 5,  # reservations of dead workers come back
    "pool.write_ledger": 1,  # rows wait in the outbox until here
    "pool.probe_health": 30,  # what traffic does not tell
    "pool.check_budgets": 30,  # alerts at 80 % and 100 %
    "pool.check_failovers": 60,  # storms: many failed calls on one model
    "pool.check_recoveries": 60,  # who was refused, and is answered again
    "pool.check_dead_letters": 30,  # a person has to decide about them
    "pool.check_quotas": 30,  # warnings at 75 % and 90 %, and the roll-over of days
    "pool.publish_stats": 15,  # Pool.get_all_stats, Pool.get_health_status
    "pool.summarise_days": 60,  # daily_usage_summary, and today by key
    "pool.measure_system": 60,  # system_metrics
    "pool.check_degradation": 300,  # models that do worse than they used to
    "pool.prune_ledger": 600,  # once a day
}

SHORTEST_LIFE_S = 30.0
"""Workers judge by their own clocks whether a tick has expired: one that is a little ahead must not drop them all."""

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    task: {"task": task, "schedule": seconds, "options": {"expires": max(seconds, SHORTEST_LIFE_S), "priority": 0}}
    for task, seconds in CADENCE_S.items()
}
