"""The redis keys that callers and workers share. The workers' own are in `pool_worker/redis_keys.py`.

Times are milliseconds of Redis's own clock; a *redis key* is always called so: a bare "key" is a provider's API key.
"""

from __future__ import annotations

import hashlib

AGENTS = "pool:agents"
"""Hash: agent → JSON of its defaults, as published by the workers from `agents.yaml`. No TTL: rewritten at every start."""

TASK_TYPES = "pool:task_types"
"""Set: the task types that the workers know, published like the agents. No TTL."""

PROVIDERS = "pool:providers"
"""Set: the ids of all providers, and their other names, published like the agents. No TTL."""

MODELS = "pool:models"
"""String: JSON of `models.Catalog`, published like the agents, and again when a model is disabled or enabled. No TTL."""

STATS = "pool:stats"
"""String: JSON of `stats.Snapshot`, published by beat's task every 15 s. TTL `STATS_TTL_MS`."""
STATS_TTL_MS = 5 * 60_000
"""Long enough that a client can say how old the last one is."""

CANCEL_CHANNEL = "pool:cancel"
"""Channel: ids of running jobs whose caller asked to cancel them."""

UNACKED = "pool:unacked"
"""Hash: claim tag → "list name \\n message". No TTL."""

PARKED = "pool:parked"
"""Sorted set: job id → when it is due. No TTL: the workers bring back what is due."""

PARKED_TIMERS = "pool:parked:timers"
"""Sorted set: job id → when the workers look at a parked job: when it is due, at its deadline, once it is cancelled. No TTL."""

RESULT_TTL_MS = 24 * 3600 * 1000
"""How long a finished job, its result and its idempotency key are kept."""

TEXT_TTL_MS = 10 * 60_000
MOST_PIECES = 2_000

BELL_TTL_MS = 60_000


def bell(list_name: str) -> str:
    """List of at most one item, rung whenever a message enters this list: idle workers wait here and take nothing but the sound.

    TTL `BELL_TTL_MS`; a bell that nobody heard costs at most the workers' one-second look-round.
    """
    return f"pool:bell:{list_name}"


def job(job_id: str) -> str:
    """Hash: one job's record. No TTL until the job has ended, `RESULT_TTL_MS` from then.

    Fields: spec (JSON of `Job`), signature (of the spec; see `signing`), agent, state, queue, priority, submitted_ms; later
    started_ms, finished_ms, hops, restarts, trail (JSON list of `Attempt`), due_ms and wait_reason (while parked), lane,
    deadline_ms, place_no, turn, turn_in and let_go_in (once it was parked; see `pool_worker/broker/lua/park.lua`), cancel
    ("1" once asked for), model_id, worker and tag (who opened it last, and under which claim), idempotency (the redis key
    that holds this job's id under its idempotency key), batch (the redis key of its batch).
    """
    return f"pool:job:{job_id}"


def result(job_id: str) -> str:
    """String: the outcome as Celery's Redis result backend writes it; TTL `RESULT_TTL_MS`. Also the channel that tells of it."""
    return f"celery-task-meta-{job_id}"


def cancelled(job_id: str) -> str:
    """String: a cancelled job's outcome on its way to `result(job_id)`; there within a script only."""
    return f"pool:cancelled:{job_id}"


def text(job_id: str) -> str:
    """Stream: the text of a job with `stream=True` as it arrives; TTL `TEXT_TTL_MS` from the last piece, ~`MOST_PIECES` at most.

    Fields of a piece: attempt (the id of the attempt that brings it), at (how many characters of that attempt's text come before
    it), text. Who reads too late finds the whole in the result.
    """
    return f"pool:text:{job_id}"


def batch(batch_id: str) -> str:
    """Hash: jobs, and how many of them succeeded, failed, cancelled. TTL `RESULT_TTL_MS` once all have ended."""
    return f"pool:batch:{batch_id}"


def idempotency(agent: str, idempotency_key: str) -> str:
    """String: id of the job that this agent first submitted under this key. No TTL until it has ended, then `RESULT_TTL_MS`."""
    digest = hashlib.sha256(f"{agent}\0{idempotency_key}".encode()).hexdigest()
    return f"pool:idempotency:{digest}"
