"""The end of a job: everything that belongs to it happens in one step, or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from pool_client import redis_keys as shared_keys
from pool_client.job import Failure, JobState, Result
from pool_client.outcome import render_outcome
from pool_worker import redis_keys
from pool_worker.broker.delivery import Delivery, Departure
from pool_worker.broker.jobs import note_departure, render_trail
from pool_worker.failpoints import reach
from pool_worker.ledger.rows import Entry
from pool_worker.limits.settle import Settlement
from pool_worker.lua import run_script

_NO_LEASE = Settlement("", "{}")


async def finish(
    redis: Redis,
    delivery: Delivery,
    outcome: Result | Failure,
    *,
    state: JobState,
    rows: Sequence[Entry],
    settlement: Settlement | None = None,
    tokens_seen: Mapping[str, float] | None = None,
) -> None:
    """End a job: settle its lease, store its outcome, acknowledge, put the rows into the outbox, wake the caller.

    `tokens_seen`: what its call adds to the history of tokens.

    Raises:
        LostClaimError: if the message is no longer ours or the job had ended; only settlement and the attempts' rows are kept.
    """
    settled = settlement or _NO_LEASE
    job_id, model_id = outcome.job_id, outcome.model_id if isinstance(outcome, Result) else ""
    done = await run_script(
        redis,
        __package__,
        "finish",
        keys=[
            *redis_keys.MESSAGE_KEYS,
            shared_keys.job(job_id),
            shared_keys.result(job_id),
            redis_keys.OUTBOX,
            redis_keys.HISTORY,
            *settled.keys,
        ],
        arguments=[
            *(delivery.tag, job_id, state.value, render_outcome(outcome), shared_keys.RESULT_TTL_MS),
            *(render_trail(outcome.attempts), model_id, ""),
            settled.lease_id,
            settled.ending,
            delivery.task_id,
            json.dumps(tokens_seen or {}),
            *(part for row in rows for part in row),
        ],
    )
    reach("finished")
    error = outcome.type if isinstance(outcome, Failure) else ""
    note_departure(delivery, Departure(state, error), done=done)
