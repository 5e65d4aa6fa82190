"""The calls that are under way for one job: usually one, two where a slow one is hedged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from pool_client.job import Job
from pool_worker.completion.calling import Answered, Failed, Sending, abandoned, call, cut_short, not_needed
from pool_worker.completion.capacity import Leased
from pool_worker.completion.estimates import is_cut_short
from pool_worker.failpoints import reach
from pool_worker.resources import Resources


@dataclass(frozen=True, slots=True)
class Called:
    """A call that has ended."""

    leased: Leased
    started_at: datetime
    done: Answered | Failed


class Calls:
    """See the module's docstring. Whoever starts calls sees to it that they are broken off in the end.

    Args:
        job: What is asked.
        pool: Whom to ask with.
        may_be_cut: Whether a bound of ours may have been too low for the answer, so that it is worth asking again.
    """

    def __init__(self, job: Job, pool: Resources, *, may_be_cut: bool) -> None:
        self._job = job
        self._pool = pool
        self._may_be_cut = may_be_cut
        self._tasks: set[asyncio.Task[Called]] = set()

    def start(self, leased: Leased) -> None:
        """Make the call that a lease permits."""
        self._tasks.add(asyncio.create_task(self._make(leased)))

    @property
    def under_way(self) -> bool:
        """Whether there is a call of which nobody was told yet how it ended."""
        return bool(self._tasks)

    async def one_ended(self, *, within_s: float) -> bool:
        """Wait until a call has ended, but no longer than this; whether one has."""
        done, _ = await asyncio.wait(self._tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    async def next(self) -> Called:
        """The call that ends next."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        first = done.pop()
        self._tasks.remove(first)
        return first.result()

    async def break_off(self) -> list[tuple[Called, Failed]]:
        """End the calls that are left: nobody needs their answers. With each, what it counts as."""
        left, self._tasks = self._tasks, set()
        for task in left:
            task.cancel()
        ended = await asyncio.gather(*left)
        return [(it, it.done if isinstance(it.done, Failed) else not_needed(it.done, self._pool)) for it in ended]

    async def _make(self, leased: Leased) -> Called:
        started_at, sending = self._pool.now(), Sending(leased.asked_at)
        try:
            reach("leased")
            done = await call(self._job, leased.lease, self._pool, sending=sending)
            reach("answered")
        except asyncio.CancelledError:  # only by `break_off`, which is told what it cost
            done = abandoned(self._job, leased.lease, self._pool, sending=sending)
        if isinstance(done, Answered) and self._may_be_cut and is_cut_short(done.answer, self._job, leased.lease):
            done = cut_short(done, self._pool)
        return Called(leased, started_at, done)
