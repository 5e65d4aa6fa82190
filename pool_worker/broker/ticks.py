"""Beat's scheduler: redbeat, but ticks that nobody takes do not pile up, and it outlives a Redis that is away or refuses writes.

An expired tick goes only when a worker claims it; without workers, Redis would be filled by some 200,000 a day.
"""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any

import redis
from celery.beat import SchedulingError
from redbeat import RedBeatScheduler
from redbeat.schedulers import acquire_distributed_beat_lock, get_redis
from redis.exceptions import LockError

from pool_client.queues import MAINTENANCE_QUEUE
from pool_client.redis_connection import is_outage

WAITING_AT_MOST = 20
TRY_AGAIN_S = 1.0
SAY_AGAIN_S = 10.0

logger = logging.getLogger(__name__)


class TickScheduler(RedBeatScheduler):
    """Lets a tick pass by while as many as `WAITING_AT_MOST` wait; redbeat's own exits when Redis does."""

    lock: Any = None
    _said_at = -SAY_AGAIN_S

    def setup_schedule(self) -> None:
        """Write the schedule, once Redis lets us."""
        while True:
            try:
                super().setup_schedule()
            except redis.RedisError as error:
                self._wait_for(error)
                time.sleep(TRY_AGAIN_S)
            else:
                return

    def tick(self, *args: Any, **options: Any) -> float:
        """Send what is due; returns in how many seconds to come again.

        Who has lost the lock, because Redis was away for longer than it lasts or was emptied, stands by until it is free.
        """
        try:
            if self.lock_key and self.lock is None:
                acquire_distributed_beat_lock(sender=SimpleNamespace(scheduler=self))
            return float(super().tick(*args, **options))
        except LockError:
            logger.warning("beat has lost its lock: it stands by until it gets it again")
            self.lock = None
        except redis.RedisError as error:
            self._wait_for(error)
        return TRY_AGAIN_S

    def apply_async(self, entry: Any, **options: Any) -> Any:
        """Send a tick, unless too many wait; the next one is planned in either case. One that Redis refuses is left out."""
        try:
            if get_redis(self.app).llen(MAINTENANCE_QUEUE) >= WAITING_AT_MOST:
                self.reserve(entry)
                return None
            return super().apply_async(entry, **options)
        except redis.RedisError as error:
            self._wait_for(error)
        except SchedulingError as error:
            self._say(error)
        return None

    def _wait_for(self, error: redis.RedisError) -> None:
        """Raises what waiting does not mend."""
        if not is_outage(error):
            raise error
        self._say(error)

    def _say(self, error: Exception) -> None:
        if time.monotonic() - self._said_at >= SAY_AGAIN_S:
            self._said_at = time.monotonic()
            logger.warning("beat waits for Redis: %s", error)
