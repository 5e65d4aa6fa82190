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
class Started:
    """A call, from its beginning on."""

    leased: Leased
    at: datetime
    sending: Sending


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
        self._under_way: dict[asyncio.Task[Answered | Failed], Started] = {}

    def start(self, leased: Leased) -> None:
        """Make the call that a lease permits."""
        started = Started(leased, self._pool.now(), Sending(leased.asked_at))
        self._under_way[asyncio.create_task(self._make(started))] = started

    @property
    def under_way(self) -> bool:
        """Whether there is a call of which nobody was told yet how it ended."""
        return bool(self._under_way)

    async def one_ended(self, *, within_s: float) -> bool:
        """Wait until a call has ended, but no longer than this; whether one has."""
        ended, _ = await asyncio.wait(self._under_way, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        return bool(ended)

    async def next(self) -> tuple[Started, Answered | Failed]:
        """The call that ends next, and how."""
        ended, _ = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        first = ended.pop()
        return self._under_way.pop(first), first.result()

    async def break_off(self, *, reason: str = "") -> list[tuple[Started, Failed]]:
        """End the calls that are left: nobody needs their answers. With each, what it counts as."""
        left, self._under_way = self._under_way, {}
        for task in left:
            task.cancel()
        ended = await asyncio.gather(*left, return_exceptions=True)
        return [(started, self._counted(started, done, reason)) for started, done in zip(left.values(), ended, strict=True)]

    def _counted(self, started: Started, done: Answered | Failed | BaseException, reason: str) -> Failed:
        match done:
            case Answered():
                return not_needed(done)
            case Failed():
                return done
            case _:  # it was broken off, perhaps before its first step
                return abandoned(self._job, started.leased.lease, self._pool, sending=started.sending, reason=reason)

    async def _make(self, started: Started) -> Answered | Failed:
        lease = started.leased.lease
        reach("leased")
        done = await call(self._job, lease, self._pool, sending=started.sending)
        reach("answered")
        if isinstance(done, Answered) and self._may_be_cut and is_cut_short(done.answer, self._job, lease):
            return cut_short(done)
        return done
