"""The client's Lua scripts, each behind one typed function. What they do and return is told in `lua/*.lua`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import redis
from redis.client import Pipeline

from pool_client import redis_keys
from pool_client.job import Priority
from pool_client.queues import CELERY_PRIORITY, list_name

_LUA = Path(__file__).parent / "lua"


def source(name: str) -> str:
    """The text of a script; a line `-- include FILE.lua` is replaced by that file."""
    text = (_LUA / f"{name}.lua").read_text(encoding="utf-8")
    return re.sub(r"(?m)^-- include (\w+)\.lua$", lambda included: source(included[1]), text)


class Scripts:
    """The scripts, bound to one Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._submit = client.register_script(source("submit"))
        self._cancel = client.register_script(source("cancel"))

    def submit(
        self,
        *,
        job_id: str,
        spec: str,
        message: str,
        agent: str,
        queue: str,
        priority: Priority,
        idempotency_key: str | None,
        batch: str | None = None,
        signature: str = "",
        now_ms: str = "",
        pipeline: Pipeline | None = None,
    ) -> str:
        """Accept one job, once: the id of the job that stands for it. In a pipeline the id comes with its execution."""
        target = list_name(queue, CELERY_PRIORITY[priority])
        keys = [redis_keys.job(job_id), target, redis_keys.bell(target)]
        if idempotency_key is not None:
            keys.append(redis_keys.idempotency(agent, idempotency_key))
        arguments: list[str | int] = [
            job_id,
            spec,
            message,
            agent,
            queue,
            priority.value,
            redis_keys.RESULT_TTL_MS,
            redis_keys.BELL_TTL_MS,
            "" if batch is None else redis_keys.batch(batch),
            signature,
            now_ms,
        ]
        return cast(str, self._submit(keys, arguments, pipeline))

    def cancel(self, *, job_id: str, outcome: str, now_ms: str = "") -> str | None:
        """Cancel one job: the state that is true now, None if the job is not known."""
        whereabouts = [redis_keys.PARKED, redis_keys.PARKED_TIMERS, redis_keys.UNACKED]
        keys = [redis_keys.job(job_id), redis_keys.result(job_id), *whereabouts, redis_keys.cancelled(job_id)]
        arguments: list[str | int] = [job_id, outcome, redis_keys.RESULT_TTL_MS, redis_keys.CANCEL_CHANNEL, now_ms]
        return cast("str | None", self._cancel(keys, arguments))
