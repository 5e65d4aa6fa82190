"""Asking under a lease: one call, a second beside it if that is slow, and the account of each when it has ended.

Every call that was made is put on the job's trail, counted, traced and told to the books, however it ended.
"""

from __future__ import annotations

import asyncio
from functools import partial

from pool_client.errors import InvalidRequestError
from pool_client.job import Job, Result
from pool_worker.completion.calling import OVERTAKEN, Answered, Failed
from pool_worker.completion.calls import Calls, Started
from pool_worker.completion.capacity import Leased, find_other
from pool_worker.completion.finishing import Served
from pool_worker.completion.hedging import hedge_after_s, take_hedge
from pool_worker.completion.owed import Owed
from pool_worker.completion.results import result_of
from pool_worker.completion.trail import Call, Trail
from pool_worker.errors import Scope
from pool_worker.ledger.rows import attempt_row
from pool_worker.limits.settle import settle
from pool_worker.metrics.instruments import call_ended
from pool_worker.resources import Resources
from pool_worker.tracing import Said, trace_call


class Asking:
    """See the module's docstring."""

    def __init__(self, job: Job, trail: Trail, owed: Owed, pool: Resources) -> None:
        self._job = job
        self._trail = trail
        self._owed = owed
        self._pool = pool
        self.served: Served | None = None
        """The call that was answered."""

    async def answer(self, leased: Leased) -> Result | None:
        """The answer; None if no call brought one and the job is to go on elsewhere.

        Raises:
            InvalidRequestError: if the provider refuses the request itself.
            asyncio.CancelledError: if it is broken off, after it was accounted for.
        """
        calls = Calls(self._job, self._pool, may_be_cut=not self._trail.cut_at)
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
                return self._note_answer(started, done)
            self._note_failure(started, done)
            if done.error.scope is Scope.REQUEST:
                raise InvalidRequestError(done.error.reason)
        return None

    async def _hedge(self, calls: Calls, leased: Leased) -> Leased | None:
        """A lease for a second call, if the first one is slow."""
        after_s = hedge_after_s(self._job, leased, self._pool)
        if after_s is None or await calls.one_ended(within_s=after_s) or not take_hedge(self._pool):
            return None
        return await find_other(self._job, self._trail, self._pool, than=leased)

    async def _break_off(self, calls: Calls, *, reason: str = "") -> None:
        for started, failed in await calls.break_off(reason=reason):
            self._note_failure(started, failed)
        await self._owed.tell()

    def _note_answer(self, started: Started, done: Answered) -> Result:
        leased, model = started.leased, started.leased.lease.candidate.model
        attempt = self._trail.answered(model, _made(started, done))
        call_ended(attempt)
        said = Said(done.answer.model, done.answer.content, done.answer.finish_reason)
        trace_call(self._job, attempt, model_name=model.name, said=said)
        self.served = Served(attempt_row(self._job, attempt).to_entry(), done.settlement, done.tokens_seen)
        self._owed.append(*done.owed)
        return result_of(self._job, leased, done, attempt, self._trail, rules=self._pool.registry.rules.warnings)

    def _note_failure(self, started: Started, failed: Failed) -> None:
        model = started.leased.lease.candidate.model
        attempt = self._trail.failed(model, _made(started, failed), error=failed.error)
        call_ended(attempt)
        trace_call(self._job, attempt, model_name=model.name)
        row = attempt_row(self._job, attempt).to_entry()
        self._owed.append(partial(settle, self._pool.redis, failed.settlement, row=row), *failed.owed)


def _made(started: Started, done: Answered | Failed) -> Call:
    lease = started.leased.lease
    return Call(lease.id, lease.key_id, started.at, done.ended_at, done.usage, done.cost_usd)
