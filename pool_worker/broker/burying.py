"""Burying: a message that cannot be worked on is kept as a dead letter with the reason, and its job ends, so that nobody waits.

`bury` blocks, for the hub's thread; `bury_job` is for the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Any

import redis
from redis.client import NEVER_DECODE

from pool_client import redis_keys as shared_keys
from pool_client.job import JobState
from pool_worker import redis_keys
from pool_worker.broker.delivery import Delivery, Departure
from pool_worker.broker.ending import FIELDS, ending_of
from pool_worker.broker.jobs import note_departure
from pool_worker.broker.reading import Names, UndeliverableError, readable_names
from pool_worker.ledger.rows import storable
from pool_worker.lua import run_script_blocking

logger = logging.getLogger(__name__)


def bury(client: redis.Redis, *, tag: str, why: UndeliverableError, now_ms: int | None = None) -> str | None:
    """Take a claimed message out of circulation, and end its job as failed.

    `now_ms` is for tests; else Redis's clock tells.

    Returns:
        The dead letter's id. None when nothing is kept: the message is no longer ours, or nobody waits for its job any more.

    Raises:
        redis.RedisError: if Redis goes away; the message then comes back when its lease ends.
    """
    became, letter = "changed", None
    while became == "changed":  # somebody has just cancelled the job
        entry: bytes | None = _exactly(client, "HGET", redis_keys.UNACKED, tag)
        if entry is None:
            return None
        names = readable_names(entry.partition(b"\n")[2])
        at_ms = _now_ms(client) if now_ms is None else now_ms
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        ending = ending_of(names.job_id, _record(client, names.job_id), why, at=at)
        arguments = [tag, redis_keys.dead_letter(""), *_letter(names), names.task_id, names.task, storable(why.reason)]
        arguments += [names.job_id, *astuple(ending), str(shared_keys.RESULT_TTL_MS), str(at_ms)]
        became, letter = run_script_blocking(client, __package__, "bury", keys=_keys(names), arguments=arguments)
    logger.warning("message %s (%s) is %s: %s", names.task_id or tag, names.task or "no task", became, why.reason)
    return letter or None


async def bury_job(client: redis.Redis, delivery: Delivery, why: UndeliverableError) -> None:
    """The same for a job that is in hand; `client` is one for threads.

    Raises:
        LostClaimError: if the message is no longer ours, or the job had ended.
        redis.RedisError: as above.
    """
    letter = await asyncio.to_thread(bury, client, tag=delivery.tag, why=why)
    note_departure(delivery, Departure(JobState.FAILED, why.told_as.__name__), done=letter is not None)


def _keys(names: Names) -> list[str]:
    job_keys = [shared_keys.job(names.job_id), shared_keys.result(names.job_id)]
    return [*redis_keys.MESSAGE_KEYS, redis_keys.DEAD_LETTERS, *job_keys, redis_keys.OUTBOX]


def _letter(names: Names) -> list[str]:
    """Its id, and "1" if it takes an earlier one's place.

    Messages that expire are beat's ticks: of each kind the latest is kept, else a beat of another release would fill Redis.
    """
    return [names.task, "1"] if names.expires and names.task else [names.task_id, ""]


def _now_ms(client: redis.Redis) -> int:
    seconds, microseconds = client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def _record(client: redis.Redis, job_id: str) -> dict[str, str]:
    values = _exactly(client, "HMGET", shared_keys.job(job_id), *FIELDS)
    return {name: value.decode() for name, value in zip(FIELDS, values, strict=True) if value is not None}


def _exactly(client: redis.Redis, *command: str) -> Any:
    """The answer undecoded: a message may be any bytes."""
    execute: Callable[..., Any] = client.execute_command
    return execute(*command, **{NEVER_DECODE: True})
