"""The end of a job: everything that belongs to it happens in one step, or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis

from pool_client import redis_keys as shared_keys
from pool_client.job import Attempt, Failure, Job, JobState, Result
from pool_client.outcome import cancelled, render_outcome
from pool_worker import redis_keys
from pool_worker.broker.delivery import Delivery, Departure
from pool_worker.broker.jobs import note_departure, render_trail
from pool_worker.failpoints import reach
from pool_worker.ledger.rows import Entry, job_row
from pool_worker.limits.settle import Settlement
from pool_worker.lua import run_script

_NO_LEASE = Settlement("", "{}")


@dataclass(frozen=True, slots=True)
class Served:
    """The call that was answered: what is told of it with the job's end, also if that is another by now."""

    row: Entry
    settlement: Settlement
    tokens_seen: Mapping[str, float]
    """What it adds to the history of tokens."""


async def finish(
    redis: Redis,
    delivery: Delivery,
    outcome: Result | Failure,
    *,
    state: JobState,
    rows: Sequence[Entry],
    served: Served | None = None,
) -> None:
    """End a job: settle its lease, store its outcome, acknowledge, put the rows into the outbox, wake the caller.

    `rows`: but for that of the call that was answered, which goes before them.

    Raises:
        LostClaimError: if the message is no longer ours or the job had ended; only settlement and the attempts' rows are kept.
    """
    settled = served.settlement if served else _NO_LEASE
    rows = [served.row, *rows] if served else rows
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
            json.dumps(served.tokens_seen if served else {}),
            *(part for row in rows for part in row),
        ],
    )
    reach("finished")
    error = outcome.type if isinstance(outcome, Failure) else ""
    note_departure(delivery, Departure(state, error), done=done)


def cancelled_row(job: Job, trail: Sequence[Attempt], *, at: datetime) -> Entry:
    """The books' row of a job that its caller cancelled while it waited: nobody had it in hand then."""
    outcome = cancelled(job.id, at=at).model_copy(update={"attempts": list(trail)})
    return job_row(job, outcome, finished_at=at).to_entry()
