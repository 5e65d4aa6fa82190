"""One job in the hands of one worker: the lease it needs, and the ways out (succeed, fail, move on, wait)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from pool_client.errors import CompletionError, InvalidRequestError, JobCancelledError, ModelUnavailableError, PoolError
from pool_client.job import Attempt, Failure, Job, JobState, OnExhausted, Result
from pool_client.outcome import cancelled
from pool_worker.broker.delivery import Delivery
from pool_worker.broker.jobs import For, Until
from pool_worker.cache import Kept
from pool_worker.completion.calling import OVERTAKEN, Answered, Failed, Owed
from pool_worker.completion.calls import Calls, Started
from pool_worker.completion.capacity import (
    Leased,
    Place,
    Rest,
    able_models,
    find_other,
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
from pool_worker.completion.hedging import hedge_after_s, take_hedge
from pool_worker.completion.known import Known
from pool_worker.completion.selection import selection_of
from pool_worker.completion.trail import Call, Trail
from pool_worker.errors import Scope
from pool_worker.ledger.rows import Entry, attempt_row, job_row
from pool_worker.limits.acquire import Elsewhere, Exhausted, Lease
from pool_worker.limits.settle import Settlement, settle
from pool_worker.metrics.instruments import call_ended, job_ended
from pool_worker.registry import WarningRules
from pool_worker.resources import Resources
from pool_worker.tracing import Said, trace_call

MAX_HOPS = 16
"""A job that keeps arriving where capacity has just gone rests after so many hops in a row."""
REST_AFTER_HOPS_S = 1.0

T = TypeVar("T")


class Work:
    """See the module's docstring."""

    def __init__(self, job: Job, *, delivery: Delivery, trail: Trail, pool: Resources) -> None:
        self.job = job
        self.delivery = delivery
        self._trail = trail
        self._pool = pool
        self._known = Known(job, pool)
        self._owed: list[Owed] = []
        """Of the last call; see `_with_owed`."""
        self._settlement: Settlement | None = None
        self._tokens_seen: dict[str, float] = {}
        self._answered: list[Entry] = []
        """All three of the call that was answered; told with the job's end, also if that is another by now."""

    def is_late(self) -> bool:
        """Whether the caller has no use for an answer any more."""
        return self.job.deadline_at is not None and self._pool.now() >= self.job.deadline_at

    async def known(self, *, on_wait: Callable[[], None]) -> Result | None:
        """The answer, if it is known already or another job, for which is waited, brings it now; None if it is ours to ask."""
        while self._known.may_be and not self.is_late():
            models = [choice.model.id for choice in route_of(self.job, self._trail, self._pool).choices]
            if kept := await self._known.look(models, on_wait=on_wait):
                return self._answered_before(kept)
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
            place = await self._with_owed(find_place(self.job, self._trail, self._pool))
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
            return self._answered_before(kept, degraded=True)
        if place := await find_stand_in(self.job, self._trail, self._pool):
            return place
        if isinstance(error, ModelUnavailableError):
            raise error
        return guidance(self.job, error, self._trail)

    async def call(self, leased: Leased) -> Result | None:
        """One call; None if it failed and the job is to go on elsewhere.

        Raises:
            InvalidRequestError: if the provider refuses the request itself.
            asyncio.CancelledError: if it is broken off, after it was accounted for.
        """
        calls = Calls(self.job, self._pool, may_be_cut=not self._trail.cut_at)
        try:
            return await self._first_answer(calls, leased)
        finally:
            if calls.under_way:
                await asyncio.shield(self._break_off(calls))

    async def _first_answer(self, calls: Calls, leased: Leased) -> Result | None:
        calls.start(leased)
        if other := await self._hedge(calls, leased):
            calls.start(other)
        while calls.under_way:
            started, done = await calls.next()
            if isinstance(done, Answered):
                if calls.under_way:
                    await self._break_off(calls, reason=OVERTAKEN)
                return self._result(started, done)
            self._note_failure(started, done)
            if done.error.scope is Scope.REQUEST:
                raise InvalidRequestError(done.error.reason)
        return None

    async def _hedge(self, calls: Calls, leased: Leased) -> Leased | None:
        """A lease for a second call, if the first one is slow."""
        after_s = hedge_after_s(self.job, leased, self._pool)
        if after_s is None or await calls.one_ended(within_s=after_s) or not take_hedge(self._pool):
            return None
        return await find_other(self.job, self._trail, self._pool, than=leased)

    async def succeed(self, result: Result) -> str:
        """End the job with its result."""
        if self._answered:
            self._owed.append(partial(self._known.keep, result))
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
        await self._with_owed(self._move(place.queue))
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
        await self._with_owed(self._park(Until(place.retry_at_ms), reason=place.reason))
        return f"parked: {place.reason}"

    async def rest(self, place: Rest) -> str:
        """Wait a little: every candidate has failed."""
        self._record(self._trail.paused(place.reason))
        delay = For(round(min(place.seconds, self._seconds_left()) * 1000))
        await self._with_owed(self._park(delay, reason=place.reason))
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

    def _answered_before(self, kept: Kept, *, degraded: bool = False) -> Result:
        return Result(
            **kept.model_dump(),
            job_id=self.job.id,
            cached=True,
            degraded=degraded,
            cost_usd=self._trail.cost_usd,
            attempts=self._trail.attempts,
        )

    def _result(self, started: Started, done: Answered) -> Result:
        leased, model = started.leased, started.leased.lease.candidate.model
        attempt = self._trail.answered(model, _made(started, done))
        call_ended(attempt)
        said = Said(done.answer.model, done.answer.content, done.answer.finish_reason)
        trace_call(self.job, attempt, model_name=model.name, said=said)
        self._settlement, self._tokens_seen = done.settlement, done.tokens_seen
        self._answered = [attempt_row(self.job, attempt).to_entry()]
        self._owed.extend(done.owed)
        selection = selection_of(leased.lease, leased.route, leased.asked, self._trail, degraded=leased.degraded)
        return Result(
            job_id=self.job.id,
            content=done.answer.content,
            model_id=model.id,
            provider=model.provider,
            finish_reason=done.answer.finish_reason,
            tool_calls=done.answer.tool_calls,
            reasoning=done.answer.reasoning or None,
            usage=done.usage,
            cost_usd=self._trail.cost_usd,
            latency_ms=attempt.latency_ms,
            degraded=leased.degraded,
            quota_warning=quota_warning(leased.lease, self._pool.registry.rules.warnings),
            selection=selection,
            attempts=self._trail.attempts,
        )

    async def _break_off(self, calls: Calls, *, reason: str = "") -> None:
        for started, failed in await calls.break_off(reason=reason):
            self._note_failure(started, failed)
        await self._with_owed(asyncio.sleep(0))

    def _note_failure(self, started: Started, failed: Failed) -> None:
        model = started.leased.lease.candidate.model
        attempt = self._trail.failed(model, _made(started, failed), error=failed.error)
        call_ended(attempt)
        trace_call(self.job, attempt, model_name=model.name)
        row = attempt_row(self.job, attempt).to_entry()
        self._owed += [partial(settle, self._pool.redis, failed.settlement, row=row), *failed.owed]

    def _record(self, attempt: Attempt) -> None:
        """Into the outbox with the next step, not at the job's end: it may end elsewhere, or never."""
        self._owed.append(partial(self._pool.jobs.record, attempt_row(self.job, attempt).to_entry()))

    async def _with_owed(self, step: Awaitable[T]) -> T:
        """What is owed for the last call, then this step: they travel together, in this order.

        What is owed is told also when the step is cancelled.
        """
        owed, self._owed = self._owed, []
        told = asyncio.gather(*(tell() for tell in owed))
        _, taken = await asyncio.gather(asyncio.shield(told), step)
        return taken

    async def _finish(self, outcome: Result | Failure, state: JobState) -> None:
        rows = [*self._answered, job_row(self.job, outcome, finished_at=self._pool.now()).to_entry()]
        ended = finish(
            self._pool.redis,
            self.delivery,
            outcome,
            state=state,
            rows=rows,
            settlement=self._settlement,
            tokens_seen=self._tokens_seen,
        )
        await self._with_owed(ended)
        job_ended(self.job, state, agent=self._pool.registry.kind_of_agent(self.job.agent), now=self._pool.now())


def cancelled_row(job: Job, trail: Sequence[Attempt], *, at: datetime) -> Entry:
    """The books' row of a job that its caller cancelled while it waited: nobody had it in hand then."""
    outcome = cancelled(job.id, at=at).model_copy(update={"attempts": list(trail)})
    return job_row(job, outcome, finished_at=at).to_entry()


def quota_warning(lease: Lease, rules: WarningRules) -> str | None:
    """What the caller is told when a quota of the key that served it is nearly used up."""
    if not any(lease.percent_used >= 100 * threshold for threshold in rules.quota_thresholds):
        return None
    return f"{lease.key_id}: {lease.percent_used}% of its {lease.fullest_window} are used"


def _made(started: Started, done: Answered | Failed) -> Call:
    lease = started.leased.lease
    return Call(lease.id, lease.key_id, started.at, done.ended_at, done.usage, done.cost_usd)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
