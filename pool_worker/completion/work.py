"""One job in the hands of one worker: what it needs (a known answer, a lease, a call), and its ways out."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from functools import partial

from pool_client.errors import CompletionError, JobCancelledError, ModelUnavailableError, PoolError
from pool_client.job import Attempt, Failure, Job, JobState, OnExhausted, Result
from pool_worker.broker.delivery import Delivery
from pool_worker.broker.jobs import For, Until
from pool_worker.completion.asking import Asking
from pool_worker.completion.capacity import (
    Leased,
    Place,
    Rest,
    able_models,
    find_place,
    find_stand_in,
    lane_of,
    route_of,
)
from pool_worker.completion.degraded import NOBODY, guidance
from pool_worker.completion.events import held_by_budget
from pool_worker.completion.failures import (
    failure_of,
    is_locked_out,
    is_of_money,
    is_only_reserved,
    nobody_free,
    nobody_left,
)
from pool_worker.completion.finishing import finish
from pool_worker.completion.known import Known
from pool_worker.completion.owed import Owed
from pool_worker.completion.results import answered_before
from pool_worker.completion.trail import Trail
from pool_worker.ledger.rows import attempt_row, job_row
from pool_worker.limits.acquire import Elsewhere, Exhausted
from pool_worker.metrics.instruments import job_ended
from pool_worker.resources import Resources

MAX_HOPS = 16
"""A job that keeps arriving where capacity has just gone rests after so many hops in a row."""
REST_AFTER_HOPS_S = 1.0


class Work:
    """See the module's docstring."""

    def __init__(self, job: Job, *, delivery: Delivery, trail: Trail, pool: Resources) -> None:
        self.job = job
        self.delivery = delivery
        self._trail = trail
        self._pool = pool
        self._known = Known(job, pool)
        self._owed = Owed()
        self._asking = Asking(job, trail, self._owed, pool)

    def is_late(self) -> bool:
        """Whether the caller has no use for an answer any more."""
        return self.job.deadline_at is not None and self._pool.now() >= self.job.deadline_at

    async def known(self, *, on_wait: Callable[[], None]) -> Result | None:
        """The answer, if it is known already or another job, for which is waited, brings it now; None if it is ours to ask."""
        while self._known.may_be and not self.is_late():
            models = [choice.model.id for choice in route_of(self.job, self._trail, self._pool).choices]
            if kept := await self._known.look(models, on_wait=on_wait):
                return answered_before(self.job, kept, self._trail)
        return None

    async def leave(self) -> None:
        """Whatever became of the job here."""
        await self._known.land()

    async def lease(self) -> Place | Result:
        """A lease on the first candidate that has capacity, or where else to go, or how long to wait; see also `_less`.

        Raises:
            CompletionError: if no candidate is left, or ever was, or too many calls have failed.
        """
        takes_less = self.job.on_exhausted is OnExhausted.DEGRADE
        try:
            place = await self._owed.told_with(find_place(self.job, self._trail, self._pool))
        except CompletionError as error:
            if not takes_less:
                raise
            return await self._less(error)
        if takes_less and isinstance(place, Exhausted) and not is_only_reserved(place, now=self._pool.now()):
            return await self._less(self._error_of(place))
        return place

    async def _less(self, error: CompletionError) -> Place | Result:
        """What the job would rather have than this error: an answer that is kept, a stand-in's, or else guidance.

        Raises:
            CompletionError: that error, if it is the job itself that nobody can serve, ever.
        """
        if kept := await self._known.last_resort(able_models(self.job, self._pool)):
            return answered_before(self.job, kept, self._trail, degraded=True)
        if place := await find_stand_in(self.job, self._trail, self._pool):
            return place
        if isinstance(error, ModelUnavailableError):
            raise error
        return guidance(self.job, error, self._trail)

    async def call(self, leased: Leased) -> Result | None:
        """The answer to one call, which is kept for those who ask the same; None if it failed and the job is to go on elsewhere.

        Raises:
            InvalidRequestError: if the provider refuses the request itself.
            asyncio.CancelledError: if it is broken off, after it was accounted for.
        """
        result = await self._asking.answer(leased)
        if result is not None:
            self._owed.append(partial(self._known.keep, result))
        return result

    async def succeed(self, result: Result) -> str:
        """End the job with its result."""
        await self._finish(result, JobState.SUCCEEDED)
        if result.model_id == NOBODY:
            return "succeeded with guidance: nobody could answer"
        if result.cached:
            return f"succeeded on {result.model_id}, which had answered it before"
        return f"succeeded on {result.model_id} after {len(self._trail.calls)} call(s)"

    async def fail(self, error: PoolError, *, retry_after_s: float | None = None, place: Exhausted | None = None) -> str:
        """End the job with an error answer. `place`: why no model was free, if that is why it ends."""
        at = self._pool.now()
        outcome = failure_of(self.job, error, self._trail, at=at, retry_after_s=retry_after_s, place=place)
        state = JobState.CANCELLED if isinstance(error, JobCancelledError) else JobState.FAILED
        await self._finish(outcome, state)
        return f"{state}: {outcome.type}: {outcome.message}"

    async def move(self, place: Elsewhere) -> str:
        """Send the job on to a sibling queue, where capacity is free."""
        if self._trail.hops_since_pause >= MAX_HOPS:
            return await self.rest(Rest(REST_AFTER_HOPS_S, f"capacity was gone after {MAX_HOPS} hops"))
        self._record(self._trail.moved(place.queue))
        await self._owed.told_with(self._move(place.queue))
        return f"moved to {place.queue}"

    async def _move(self, queue: str) -> None:
        first = self._trail.failed_since_pause  # it has lost time already
        await self._pool.jobs.move(self.job.id, self.delivery, queue=queue, trail=self._trail.attempts, first=first)

    async def wait(self, place: Exhausted) -> str:
        """Do what the job asked for when nobody is free: wait, or fail."""
        if place.retry_at_ms is None or is_locked_out(place, self._trail):
            return await self.fail(self._error_of(place), place=place)
        is_brief = is_only_reserved(place, now=self._pool.now())
        if is_of_money(place) and not is_brief:
            event = held_by_budget(self.job, place, timezone=self._pool.registry.budget.timezone, at=self._pool.now())
            self._owed.append(partial(self._pool.jobs.record, event.to_entry()))
        if self.job.on_exhausted is OnExhausted.FAIL and not is_brief:
            retry_after_s = self._seconds_until(place.retry_at_ms)
            return await self.fail(self._error_of(place), retry_after_s=retry_after_s, place=place)
        await self._owed.told_with(self._park(Until(place.retry_at_ms), reason=place.reason))
        return f"parked: {place.reason}"

    async def rest(self, place: Rest) -> str:
        """Wait a little: every candidate has failed."""
        self._record(self._trail.paused(place.reason))
        delay = For(round(min(place.seconds, self._seconds_left()) * 1000))
        await self._owed.told_with(self._park(delay, reason=place.reason))
        return f"parked: {place.reason}"

    async def _park(self, wait: Until | For, *, reason: str) -> None:
        lane = lane_of(self.job, self._trail, self._pool)
        deadline_ms = None if self.job.deadline_at is None else _ms(self.job.deadline_at)
        await self._pool.jobs.park(
            self.job.id,
            self.delivery,
            wait=wait,
            reason=reason,
            trail=self._trail.attempts,
            lane=lane,
            weight=self._pool.registry.weight_of(self.job.agent),
            deadline_ms=deadline_ms,
        )

    def _error_of(self, place: Exhausted) -> CompletionError:
        if is_locked_out(place, self._trail):
            return nobody_left(self.job, {}, self._trail)
        return nobody_free(place, self._trail, now=self._pool.now())

    def _seconds_until(self, at_ms: int) -> float:
        return max(0.0, round(at_ms / 1000 - self._pool.now().timestamp(), 3))

    def _seconds_left(self) -> float:
        deadline_at = self.job.deadline_at
        return math.inf if deadline_at is None else max(0.0, (deadline_at - self._pool.now()).total_seconds())

    def _record(self, attempt: Attempt) -> None:
        """Into the outbox with the next step, not at the job's end: it may end elsewhere, or never."""
        self._owed.append(partial(self._pool.jobs.record, attempt_row(self.job, attempt).to_entry()))

    async def _finish(self, outcome: Result | Failure, state: JobState) -> None:
        row = job_row(self.job, outcome, finished_at=self._pool.now()).to_entry()
        await self._owed.told_with(
            finish(self._pool.redis, self.delivery, outcome, state=state, rows=[row], served=self._asking.served)
        )
        job_ended(self.job, state, agent=self._pool.registry.kind_of_agent(self.job.agent), now=self._pool.now())


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
