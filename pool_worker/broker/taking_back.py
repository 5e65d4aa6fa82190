"""Celery's ways of taking a task back cancel a job instead, so that its caller is told and its record and the books say so.

Celery's own `revoke` and `purge` drop messages: a job without its message would wait for ever. Celery's remote control finds
the commands below under their own names; the transport uses `cancel` to purge.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import redis
from celery.worker.control import control_command, ok
from celery.worker.control import revoke as revoke_task
from kombu.utils.functional import maybe_list

from pool_client.outcome import cancelled, render_outcome
from pool_client.redis_connection import connect
from pool_client.scripts import Scripts
from pool_worker.celery_settings import REDIS_URL


def cancel(client: redis.Redis, job_ids: Iterable[str]) -> list[str]:
    """Cancel the jobs among these task ids, and return them: waiting ones end at once, running ones when their worker hears.

    The message of a waiting one stays where it is, until a worker finds that there is nothing left to do.
    """
    scripts = Scripts(client)
    at = datetime.now(UTC)
    return [each for each in job_ids if scripts.cancel(job_id=each, outcome=render_outcome(cancelled(each, at=at))) is not None]


@control_command(variadic="task_id", signature="[id1 [id2 [... [idN]]]]")
def revoke(state: Any, task_id: str | list[str], **options: Any) -> Any:
    """Cancel jobs, wherever they are; revoke other tasks."""
    ids = maybe_list(task_id) or []
    with connect(state.app.conf[REDIS_URL]) as client:
        jobs = cancel(client, ids)
    if others := [each for each in ids if each not in jobs]:
        return revoke_task(state, others, **options)
    return ok(f"cancelled: {', '.join(jobs)}")


@control_command(variadic="task_id", args=[("signal", str)], signature="<signal> [id1 [id2 [... [idN]]]]")
def terminate(state: Any, signal: str, task_id: str | list[str], **_: Any) -> Any:
    """Cancel jobs, also while they run; the signal means nothing here."""
    return revoke(state, task_id, terminate=True, signal=signal)
