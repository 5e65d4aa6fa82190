"""Where a job is, in a sentence: how many stand before it, who works on it, or what it waits for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import redis

from pool_client import redis_keys as shared_keys
from pool_client.job import JobState, Priority, Status
from pool_client.queues import CELERY_PRIORITY, list_name
from pool_worker import redis_keys
from pool_worker.cli.figures import count_of, moment
from pool_worker.cli.reasons import reason_words

LOOKED_AT = 200
"""So many messages of its own list are searched for the job, the next ones first."""
NOBODY_WORKS = "no worker is running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """A job that has not ended, and what is around it."""

    status: Status
    ahead: int | None = None
    """How many queued jobs are served before it; None: it is not in its queue (any more), or this user may not look."""
    is_further: bool = False
    """Whether there are more than `ahead`."""
    worker: str | None = None
    """Who runs it."""
    is_due: bool = False
    """Whether it waits for its turn among those who wait for the same, as its own time has come."""
    unserved: str | None = None
    """Why nobody will take it, as things are; None if somebody will."""


def look(client: redis.Redis, status: Status) -> Whereabouts:
    """What is around the job; some round trips that change nothing.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    if status.state is JobState.QUEUED:
        ahead, is_further = _place_in_queue(client, status)
        return Whereabouts(status=status, ahead=ahead, is_further=is_further, unserved=_why_unserved(client, status.queue))
    if status.state is JobState.RUNNING:
        return Whereabouts(status=status, worker=cast("str | None", client.hget(shared_keys.job(status.job_id), "worker")))
    is_due = status.waits_until is not None and status.waits_until <= datetime.now(UTC)
    return Whereabouts(status=status, is_due=is_due)


def where_words(where: Whereabouts) -> str:
    """The sentence."""
    status = where.status
    if status.state is JobState.PARKED:
        because = f", because {reason_words(status.wait_reason)}" if status.wait_reason else ""
        return f"parked until {'its turn comes' if where.is_due else moment(status.waits_until)}{because}"
    if status.state is JobState.RUNNING:
        return f"running on {where.worker}" if where.worker else "running"
    if status.state is not JobState.QUEUED:
        return status.state.value
    words = f"queued in {status.queue}"
    if where.ahead is not None:
        number = f"{'more than ' if where.is_further else ''}{count_of(where.ahead, 'job')}"
        words += f", behind {number}" if where.ahead else ", next in turn"
    return f"{words}; {where.unserved}" if where.unserved else words


def _place_in_queue(client: redis.Redis, status: Status) -> tuple[int | None, bool]:
    number = CELERY_PRIORITY[status.priority]
    before = [list_name(status.queue, CELERY_PRIORITY[each]) for each in Priority if CELERY_PRIORITY[each] < number]
    with client.pipeline(transaction=True) as pipe:
        pipe.lrange(list_name(status.queue, number), -LOOKED_AT, -1)
        for name in before:
            pipe.llen(name)
        try:
            messages, *lengths = pipe.execute()
        except redis.exceptions.NoPermissionError:  # messages are not for clients to read
            return None, False
    quoted = f'"{status.job_id}"'
    place = next((place for place, message in enumerate(reversed(messages)) if quoted in message), None)
    if place is not None:
        return sum(lengths) + place, False
    return (sum(lengths) + LOOKED_AT, True) if len(messages) == LOOKED_AT else (None, False)


def _why_unserved(client: redis.Redis, queue: str) -> str | None:
    names = [redis_keys.worker(name) for name in cast("dict[str, str]", client.hgetall(redis_keys.WORKERS))]
    values = cast("list[str | None]", client.mget(names)) if names else []
    served = [json.loads(facts)["queues"] for facts in values if facts]
    if not served:
        return NOBODY_WORKS
    return None if any(queue in queues for queues in served) else f"no worker serves {queue}"
