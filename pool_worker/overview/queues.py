"""How many jobs wait in each queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from pool_client.job import Priority
from pool_client.queues import CELERY_PRIORITY, list_name


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Messages that wait in one queue."""

    queue: str
    waiting: Mapping[Priority, int]

    @property
    def total(self) -> int:
        """Of every priority."""
        return sum(self.waiting.values())


async def read_queues(client: Redis, queues: Sequence[str]) -> tuple[QueueDepth, ...]:
    """The depth of each of these queues; one round trip, no job is looked at.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    priorities = list(Priority)
    async with client.pipeline(transaction=False) as pipe:
        for queue in queues:
            for priority in priorities:
                pipe.llen(list_name(queue, CELERY_PRIORITY[priority]))
        lengths = iter(await pipe.execute())
    return tuple(QueueDepth(queue, {priority: next(lengths) for priority in priorities}) for queue in queues)
