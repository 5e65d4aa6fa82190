"""The recipe's second step: an answer that is known already, or that another job is asking for just now."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from pool_client.job import Job, Result
from pool_worker.cache import Kept, is_shared, question_of, recall, remember
from pool_worker.resources import Resources


class Known:
    """What one job shares with those that ask the same."""

    def __init__(self, job: Job, pool: Resources) -> None:
        rules = pool.registry.rules.cache
        self._job_id = job.id
        self._question = question_of(job)
        self._is_shared = rules.enabled and is_shared(job)
        self._may_be_shared = rules.enabled and job.cache is not False
        self._rules = rules
        self._pool = pool
        self._flight: str | None = None
        """The one that this job leads."""

    @property
    def may_be(self) -> bool:
        """Whether it is worth while to look: the job may be answered so, and is not the one that asks."""
        return self._is_shared and self._flight is None

    async def look(self, model_ids: Sequence[str], *, on_wait: Callable[[], None]) -> Kept | None:
        """The answer of one of these models, the best first; None if it is ours to ask, or a moment was waited for nothing.

        `on_wait` is called before waiting for another job that asks the same.
        """
        if kept := await recall(self._pool.redis, self._question, model_ids):
            return kept
        flight = hashlib.sha256(" ".join([self._question, *sorted(model_ids)]).encode()).hexdigest()
        if await self._pool.flights.leads(flight, self._job_id, on_wait=on_wait):
            self._flight = flight
        kept = await recall(self._pool.redis, self._question, model_ids)  # another may have landed just before we took off
        if kept is not None:
            await self.land()
        return kept

    async def last_resort(self, model_ids: Sequence[str]) -> Kept | None:
        """The answer of one of these models, the best first, also for a job that is usually asked whatever is known."""
        return await recall(self._pool.redis, self._question, model_ids) if self._may_be_shared else None

    async def keep(self, result: Result) -> None:
        """Keep the answer, for those who wait and those who will ask."""
        if self._is_shared:
            await remember(self._pool.redis, self._question, Kept.of(result), self._rules)
            await self.land()

    async def land(self) -> None:
        """Whatever became of the job: nobody is to wait for it any more. Told also when the job is broken off meanwhile."""
        flight, self._flight = self._flight, None
        if flight is not None:
            await asyncio.shield(self._pool.flights.land(flight, self._job_id))
