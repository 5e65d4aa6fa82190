"""The recipe: how one job is completed, from its message to its outcome. Each step is one call into one room.

A job leaves here in one of four ways: it succeeded, it failed for a reason that its caller is told (and is kept as a dead letter
if this release cannot read it), it moved on to a sibling queue that has capacity, or it waits durably until capacity returns.
Whoever loses the claim on the message stops at once.
"""

from __future__ import annotations

import logging

from pydantic import ValidationError

from pool_client.errors import DeadlineExceededError, JobCancelledError, PoolError
from pool_client.job import JobState, Result
from pool_worker.broker.burying import bury_job
from pool_worker.broker.delivery import Delivery
from pool_worker.broker.jobs import LostClaimError, UnknownJobError
from pool_worker.broker.reading import UndeliverableError
from pool_worker.completion.capacity import Leased, Rest
from pool_worker.completion.finishing import cancelled_row
from pool_worker.completion.signatures import check_signature
from pool_worker.completion.trail import Trail
from pool_worker.completion.turn import Turn
from pool_worker.completion.work import Work
from pool_worker.limits.acquire import Elsewhere, Exhausted
from pool_worker.logs import current_job
from pool_worker.metrics.instruments import job_ended
from pool_worker.resources import Resources
from pool_worker.tracing import job_traced

logger = logging.getLogger(__name__)


async def complete(job_id: str, delivery: Delivery, pool: Resources) -> str:
    """Complete one job, or see to it that somebody else does; says in a few words what became of it.

    Raises:
        redis.RedisError: if Redis refuses something for good; the message then comes back when its lease ends.
        asyncio.CancelledError: if the worker leaves; the message then goes back to the head of its queue.
    """
    current_job.set(job_id)
    try:
        with job_traced(job_id, queue=delivery.queue, traceparent=delivery.traceparent):
            async with Turn(pool.gate, delivery.tag) as turn:
                became = await _open(job_id, delivery, pool, turn)
    except LostClaimError:
        became = "is another worker's now"
    logger.info("job %s %s", job_id, became)
    return became


async def _open(job_id: str, delivery: Delivery, pool: Resources, turn: Turn) -> str:
    try:
        opened = await pool.jobs.open(job_id, delivery)
        job = opened.job()
    except UnknownJobError:
        await pool.jobs.drop(delivery)
        return "has no record: its message is dropped"
    except ValidationError as error:
        return await _bury(_unreadable(error), delivery, pool)
    if job.id != job_id:  # somebody wrote into the record: its end would be the other job's
        return await _bury("its record holds another job", delivery, pool)
    if opened.state.is_final:
        if opened.state is JobState.CANCELLED:
            await pool.jobs.record(cancelled_row(job, opened.trail, at=pool.now()))
            job_ended(job, opened.state, agent=pool.registry.kind_of_agent(job.agent), now=pool.now())
        await pool.jobs.drop(delivery)
        return f"was {opened.state} already"
    work = Work(job, delivery=delivery, trail=Trail(opened.trail, queue=delivery.queue, now=pool.now), pool=pool)
    try:
        with pool.under_way.working_on(job_id):
            await check_signature(job, opened, pool)
            return await _serve(work, turn, cancelled=opened.cancel_requested)
    except PoolError as error:
        return await work.fail(error)


async def _serve(work: Work, turn: Turn, *, cancelled: bool) -> str:
    if cancelled:
        raise JobCancelledError
    try:
        return await _answer(work, turn)
    finally:
        await work.leave()


async def _answer(work: Work, turn: Turn) -> str:
    if known := await work.known(on_wait=turn.end):
        return await work.succeed(known)
    while not work.is_late():
        match await work.lease():
            case Elsewhere() as place:
                return await work.move(place)
            case Exhausted() as place:
                return await work.wait(place)
            case Rest() as place:
                return await work.rest(place)
            case Result() as lesser:
                return await work.succeed(lesser)
            case Leased() as place:
                turn.end()
                if result := await work.call(place):
                    return await work.succeed(result)
    raise DeadlineExceededError


def _unreadable(error: ValidationError) -> str:
    """The record is of a contract version, or has fields, that this release does not know: say so, and guess nothing."""
    fields = ", ".join(".".join(map(str, detail["loc"])) for detail in error.errors(include_input=False))
    return f"the workers' release cannot read this job (see {fields}): update the workers, or submit with their release"


async def _bury(reason: str, delivery: Delivery, pool: Resources) -> str:
    await bury_job(pool.books.redis, delivery, UndeliverableError(reason))
    return f"is a dead letter: {reason}"
