"""Beat's scheduler: redbeat, but ticks that nobody takes do not pile up.

An expired tick goes only when a worker claims it; without workers, Redis would be filled by some 200,000 a day.
"""

from __future__ import annotations

from typing import Any

from redbeat import RedBeatScheduler
from redbeat.schedulers import get_redis

from pool_client.queues import MAINTENANCE_QUEUE

WAITING_AT_MOST = 20


class TickScheduler(RedBeatScheduler):
    """Lets a tick pass by while as many as `WAITING_AT_MOST` wait."""

    def apply_async(self, entry: Any, **options: Any) -> Any:
        """Send a tick, unless too many wait; the next one is planned in either case."""
        if get_redis(self.app).llen(MAINTENANCE_QUEUE) >= WAITING_AT_MOST:
            self.reserve(entry)
            return None
        return super().apply_async(entry, **options)
