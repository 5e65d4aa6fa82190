"""One job in the hands of one worker: the lease it needs, and the ways out (succeed, fail, move on, wait)."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pool_client.errors import InvalidRequestError, PoolError, RateLimitError
from pool_client.job import Attempt, Failure, Job, JobState, OnExhausted, Result, Step
from pool_client.outcome import cancelled
from pool_worker.broker.delivery import Delivery
from pool_worker.broker.jobs import For, Row, Until
from pool_worker.completion.calling import Answered, Failed, abandon, call
from pool_worker.completion.degraded import guidance
from pool_worker.completion.estimates import charge_of_any
from pool_worker.completion.failures import failure_of, nobody_left
from pool_worker.completion.trail import Call, Trail
from pool_worker.completion.waiting import pause_s
from pool_worker.errors import Scope
from pool_worker.ledger.rows import Row as LedgerRow
from pool_worker.ledger.rows import attempt_row, job_row
from pool_worker.limits.acquire import Elsewhere, Exhausted, Lease, Unenrolled, acquire
from pool_worker.limits.candidates import Candidate
from pool_worker.limits.settle import refund
from pool_worker.limits.windows import GUARD_MS
from pool_worker.protocols.tokens import estimate_input_tokens
from pool_worker.registry import micro_usd
from pool_worker.resources import Resources
from pool_worker.routing.route import Choice, Route, route

LEASE_MARGIN_S = 30.0
"""How much longer than its call a lease lives, so that it never ends under a call that still runs."""
MAX_HOPS = 16
"""A job that keeps arriving where capacity has just gone rests after so many hops in a row."""
REST_AFTER_HOPS_S = 1.0


@dataclass(frozen=True, slots=True)
class Leased:
    """Permission to call now."""

    lease: Lease
    asked_at: float
    """Monotonic seconds."""
    degraded: bool = False
    """Whether it is for a lesser model than the job would have had."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Every candidate has failed for this job: wait a little before trying them again."""

    seconds: float
    reason: str


Place = Leased | Elsewhere | Exhausted | Rest


class Work:
    """See the module's docstring."""

    def __init__(self, job: Job, *, delivery: Delivery, trail: Trail, pool: Resources) -> None:
        self.job = job
        self.delivery = delivery
        self._trail = trail
        self._pool = pool
        self._input_tokens = estimate_input_tokens(job.messages, tools=job.tools)

    def is_late(self) -> bool:
        """Whether the caller has no use for an answer any more."""
        return self.job.deadline_at is not None and self._pool.now() >= self.job.deadline_at

    async def lease(self) -> Place:
        """A lease on the first candidate that has capacity, or where else to go, or how long to wait.

        Raises:
            PoolError: if no candidate is left, or ever was.
        """
        candidates = self._route()
        if not candidates.tiers:
            return self._rest(candidates)
        for choices in candidates.tiers:
            place = await self._acquire(choices)
            if not isinstance(place, Exhausted) or self._can_wait_for(place):
                break
        if isinstance(place, Exhausted) and self.job.on_exhausted is OnExhausted.DEGRADE and candidates.fallback:
            return await self._lesser(candidates.fallback) or place
        return place

    async def call(self, leased: Leased) -> Result | None:
        """One call; None if it failed and the job is to go on elsewhere.

        Raises:
            InvalidRequestError: if the provider refuses the request itself.
            asyncio.CancelledError: if it is broken off, after it was accounted for.
        """
        lease, started_at = leased.lease, self._pool.now()
        sent_after_ms = round((time.monotonic() - leased.asked_at) * 1000)
        try:
            done = await call(self.job, lease, self._pool, sent_after_ms=sent_after_ms)
        except asyncio.CancelledError:
            await asyncio.shield(self._abandon(lease, started_at=started_at, sent_after_ms=sent_after_ms))
            raise
        if isinstance(done, Failed):
            await self._note_failure(done, lease, started_at=started_at)
            if done.error.scope is Scope.REQUEST:
                raise InvalidRequestError(done.error.reason)
            return None
        return self._result(done, leased, started_at=started_at)

    async def succeed(self, result: Result) -> str:
        """End the job with its result."""
        last = [_row(attempt_row(self.job, attempt)) for attempt in result.attempts[-1:] if attempt.outcome == Step.OK]
        await self._finish(result, JobState.SUCCEEDED, last)
        return f"succeeded on {result.model_id} after {len(self._trail.calls)} call(s)"

    async def fail(self, error: PoolError, *, retry_after_s: float | None = None) -> str:
        """End the job with an error answer."""
        outcome = failure_of(self.job, error, self._trail, at=self._pool.now(), retry_after_s=retry_after_s)
        state = JobState.CANCELLED if outcome.type == "JobCancelledError" else JobState.FAILED
        await self._finish(outcome, state, [])
        return f"{state}: {outcome.type}: {outcome.message}"

    async def move(self, place: Elsewhere) -> str:
        """Send the job on to a sibling queue, where capacity is free."""
        if self._trail.hops_since_pause >= MAX_HOPS:
            return await self.rest(Rest(REST_AFTER_HOPS_S, f"capacity was gone after {MAX_HOPS} hops"))
        await self._record(self._trail.moved(place.queue))
        await self._pool.jobs.move(self.job.id, self.delivery, queue=place.queue, trail=self._trail.attempts)
        return f"moved to {place.queue}"

    async def wait(self, place: Exhausted) -> str:
        """Do what the job asked for when every quota is spent: wait, take less, or fail."""
        if place.retry_at_ms is None:
            return await self.fail(RateLimitError(f"no quota will ever fit this job: {place.reason}"))
        if self.job.on_exhausted is OnExhausted.FAIL:
            message = f"every quota is spent ({place.reason})"
            return await self.fail(RateLimitError(message), retry_after_s=self._seconds_until(place.retry_at_ms))
        if self.job.on_exhausted is OnExhausted.DEGRADE:
            await self._finish(guidance(self.job, place.reason, self._trail), JobState.SUCCEEDED, [])
            return f"answered with guidance: {place.reason}"
        due_ms = place.retry_at_ms if self.job.deadline_at is None else min(place.retry_at_ms, _ms(self.job.deadline_at))
        await self._pool.jobs.park(
            self.job.id, self.delivery, wait=Until(due_ms), reason=place.reason, trail=self._trail.attempts
        )
        return f"parked: {place.reason}"

    async def rest(self, place: Rest) -> str:
        """Wait a little: every candidate has failed."""
        await self._record(self._trail.paused(place.reason))
        delay = For(round(place.seconds * 1000))
        await self._pool.jobs.park(self.job.id, self.delivery, wait=delay, reason=place.reason, trail=self._trail.attempts)
        return f"parked: {place.reason}"

    def _route(self) -> Route:
        return route(
            self.job,
            self._pool.registry,
            estimated_tokens=self._input_tokens,
            excluded_models=self._trail.excluded_models,
            excluded_providers=self._trail.excluded_providers,
            now=self._pool.now(),
        )

    def _rest(self, candidates: Route) -> Rest:
        """Another round after 2, 4, 8 s, if a rest can help and rounds are left.

        Raises:
            PoolError: if not.
        """
        rounds = self._pool.registry.failover.retry_attempts
        if not self._trail.failed_since_pause or self._trail.pauses >= rounds:
            raise nobody_left(self.job, candidates.rejected, self._trail)
        return Rest(pause_s(self._trail.pauses, random=self._pool.random()), "every candidate has failed")

    async def _acquire(self, choices: Sequence[Choice]) -> Leased | Elsewhere | Exhausted:
        registry = self._pool.registry
        candidates = [
            Candidate(
                model=choice.model,
                provider=registry.provider_of(choice.model),
                windows=registry.windows_of(choice.model),
                queue=registry.provider_of(choice.model).queue,
                cost_micro_usd=micro_usd(choice.estimated_cost_usd),
            )
            for choice in choices
        ]
        longest_s = max(candidate.provider.timeout_s for candidate in candidates)
        while True:
            asked_at = time.monotonic()
            place = await acquire(
                self._pool.redis,
                candidates,
                lease_id=uuid.uuid4().hex,
                job_id=self.job.id,
                charge=charge_of_any(choices),
                ttl_ms=round((longest_s + LEASE_MARGIN_S) * 1000),
                served_queues=self._pool.served_queues,
                budgets=self._pool.budgets(self.job.agent),
            )
            match place:
                case Unenrolled():
                    await self._pool.enroll()
                case Lease() if time.monotonic() - asked_at > GUARD_MS / 1000:
                    await refund(self._pool.redis, place.id)  # this process was held up: the provider would count it too late
                case Lease():
                    return Leased(place, asked_at)
                case _:
                    return place

    async def _lesser(self, choices: Sequence[Choice]) -> Leased | Elsewhere | None:
        """A lease on a lesser model, or where else one is to be had."""
        place = await self._acquire(choices)
        if isinstance(place, Leased):
            return replace(place, degraded=True)
        return place if isinstance(place, Elsewhere) else None

    def _can_wait_for(self, place: Exhausted) -> bool:
        """Whether waiting for this capacity still meets the deadline; if not, the next tier's is asked for."""
        if place.retry_at_ms is None:
            return False
        return self.job.deadline_at is None or place.retry_at_ms < _ms(self.job.deadline_at)

    def _seconds_until(self, at_ms: int) -> float:
        return max(0.0, round(at_ms / 1000 - self._pool.now().timestamp(), 3))

    def _result(self, done: Answered, leased: Leased, *, started_at: datetime) -> Result:
        model = leased.lease.candidate.model
        attempt = self._trail.answered(model, _made(done, leased.lease, started_at=started_at))
        return Result(
            job_id=self.job.id,
            content=done.answer.content,
            model_id=model.id,
            provider=model.provider,
            finish_reason=done.answer.finish_reason,
            tool_calls=done.answer.tool_calls,
            usage=done.usage,
            cost_usd=self._trail.cost_usd,
            latency_ms=attempt.latency_ms,
            degraded=leased.degraded,
            attempts=self._trail.attempts,
        )

    async def _abandon(self, lease: Lease, *, started_at: datetime, sent_after_ms: int) -> None:
        done = await abandon(self.job, lease, self._pool, sent_after_ms=sent_after_ms)
        await self._note_failure(done, lease, started_at=started_at)

    async def _note_failure(self, done: Failed, lease: Lease, *, started_at: datetime) -> None:
        made = _made(done, lease, started_at=started_at)
        await self._record(self._trail.failed(lease.candidate.model, made, error=done.error))

    async def _record(self, attempt: Attempt) -> None:
        """Into the outbox at once: a job may end elsewhere, or never."""
        await self._pool.jobs.record(_row(attempt_row(self.job, attempt)))

    async def _finish(self, outcome: Result | Failure, state: JobState, rows: list[Row]) -> None:
        rows = [*rows, _row(job_row(self.job, outcome, finished_at=self._pool.now()))]
        await self._pool.jobs.finish(self.delivery, outcome, state=state, rows=rows)


def cancelled_row(job: Job, trail: Sequence[Attempt], *, at: datetime) -> Row:
    """The books' row of a job that its caller cancelled while it waited: nobody had it in hand then."""
    outcome = cancelled(job.id, at=at).model_copy(update={"attempts": list(trail)})
    return _row(job_row(job, outcome, finished_at=at))


def _made(done: Answered | Failed, lease: Lease, *, started_at: datetime) -> Call:
    return Call(lease.key_id, started_at, done.ended_at, done.usage, done.cost_usd)


def _row(row: LedgerRow) -> Row:
    fields = row.to_fields()
    return fields["kind"], fields["id"], fields["data"]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
