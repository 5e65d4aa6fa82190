"""The life of a job in Redis, one typed function per script: open, move, park, finish.

Each acts under the claim of the message (`Delivery.tag`) and does nothing when that is lost: then another worker owns the job.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

import redis.asyncio

from pool_client import redis_keys as shared_keys
from pool_client.job import Attempt, Job, JobState
from pool_client.queues import KOMBU_SEPARATOR
from pool_worker import redis_keys
from pool_worker.broker.claims import claims
from pool_worker.broker.delivery import Delivery, Departure, departures
from pool_worker.failpoints import reach
from pool_worker.ledger.rows import Entry
from pool_worker.lua import read_script

_EARLIEST = 2
"""What `park` answers when no parked job is due before this one."""


class LostClaimError(Exception):
    """The message's lease ended while the job was being worked on: another worker owns the job now."""


class UnknownJobError(Exception):
    """The message names a job that has no record."""


@dataclass(frozen=True, slots=True)
class OpenedJob:
    """A job at the start of its work here."""

    state: JobState
    """As it was before it was opened; a final state means that there is nothing left to do."""
    spec: str
    trail: tuple[Attempt, ...]
    cancel_requested: bool
    signature: str
    """See `pool_client.signing`; "" if it has none."""

    def job(self) -> Job:
        """The job itself.

        Raises:
            pydantic.ValidationError: if it is not of a contract version that this release knows.
        """
        return Job.model_validate_json(self.spec)


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until a time of Redis's clock."""

    due_ms: int


@dataclass(frozen=True, slots=True)
class For:
    """Wait from now on."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Lane:
    """Where jobs wait that wait for the same capacity: who finds none tells it to the others."""

    name: str = ""
    providers: tuple[str, ...] = ()
    """Ids of those that may answer them; see `Jobs.hasten`."""


class Jobs:
    """The scripts, bound to a Redis client."""

    def __init__(self, client: redis.asyncio.Redis, *, worker: str) -> None:
        self._worker = worker
        self._client = client
        names = ("open", "move", "park", "release_due", "hasten", "ack", "requeue")
        scripts = [client.register_script(read_script("pool_worker.broker", name)) for name in names]
        self._open, self._move, self._park, self._release_due, self._hasten, self._ack, self._requeue = scripts
        self.earlier = asyncio.Event()
        """A job that is parked is due before all that were: whoever waits to let jobs go waits too long."""

    async def open(self, job_id: str, delivery: Delivery) -> OpenedJob:
        """Read the job's record and mark it as running.

        Raises:
            LostClaimError: if the message is no longer ours.
            UnknownJobError: if there is no such job.
        """
        keys = [shared_keys.job(job_id), redis_keys.UNACKED]
        state, *fields = await self._open(keys=keys, args=[delivery.tag, self._worker, ""])
        if state == "lost":
            raise LostClaimError
        if state == "unknown":
            raise UnknownJobError(job_id)
        spec, trail, cancel, signature = fields
        attempts = tuple(Attempt.model_validate(attempt) for attempt in json.loads(trail or "[]"))
        return OpenedJob(JobState(state), spec, attempts, cancel == "1", signature)

    async def move(self, job_id: str, delivery: Delivery, *, queue: str, trail: Sequence[Attempt], first: bool = False) -> None:
        """Send the job on to a sibling queue: behind those that wait there, or `first`.

        Raises:
            LostClaimError: if the message is no longer ours.
        """
        arguments = [delivery.tag, delivery.task_id, queue, KOMBU_SEPARATOR, render_trail(trail), "first" if first else "last"]
        moved = await self._move(keys=[*redis_keys.MESSAGE_KEYS, shared_keys.job(job_id)], args=arguments)
        reach("moved")
        note_departure(delivery, Departure(JobState.QUEUED), done=moved)

    async def park(
        self,
        job_id: str,
        delivery: Delivery,
        *,
        wait: Until | For,
        reason: str,
        trail: Sequence[Attempt],
        lane: Lane = Lane(),
        weight: int = 1,
        deadline_ms: int | None = None,
    ) -> None:
        """Let the job wait, with the reason that `status` shows; it comes back by `bringing_back`.

        Args:
            job_id: the job.
            delivery: the claim on its message.
            wait: until capacity returns, which then holds for all jobs of its lane; or for a rest of its own.
            reason: why it waits.
            trail: its attempts so far.
            lane: with whom it waits.
            weight: its agent's share among those that wait in the lane.
            deadline_ms: when it comes back whether or not there is capacity, by Redis's clock.

        Raises:
            LostClaimError: if the message is no longer ours.
        """
        keys = [
            *redis_keys.MESSAGE_KEYS,
            shared_keys.job(job_id),
            *redis_keys.PARKED_KEYS,
            redis_keys.parked_lane(lane.name),
        ]
        times: list[int | str] = [wait.due_ms, ""] if isinstance(wait, Until) else ["", wait.delay_ms]
        times.append("" if deadline_ms is None else deadline_ms)
        arguments = [delivery.tag, job_id, *times, lane.name, reason, render_trail(trail), delivery.task_id]
        arguments += [weight, KOMBU_SEPARATOR, " ".join(lane.providers), ""]
        parked = await self._park(keys=keys, args=arguments)
        reach("parked")
        if parked == _EARLIEST:
            self.earlier.set()
        note_departure(delivery, Departure(JobState.PARKED), done=parked)

    async def record(self, row: Entry) -> None:
        """Put a row into the outbox."""
        kind, row_id, data = row
        await self._client.xadd(redis_keys.OUTBOX, {"kind": kind, "id": row_id, "data": data})

    async def release_due(self) -> tuple[int, float]:
        """Let parked jobs go as far as there may be capacity for them; returns how many, and in how many seconds to ask again."""
        prefixes = [shared_keys.job(""), redis_keys.parked_lane(""), redis_keys.parked_due("")]
        arguments = [self._worker, *prefixes, KOMBU_SEPARATOR, ""]
        released, wait_ms = await self._release_due(keys=list(redis_keys.PARKED_KEYS), args=arguments)
        return released, wait_ms / 1000

    async def hasten(self, provider: str) -> int:
        """Have the parked jobs that this provider may answer looked at now: it is well again before its time.

        Returns:
            How many were not due yet.
        """
        keys = [redis_keys.PARKED, shared_keys.PARKED_TIMERS, redis_keys.PARKED_LANES]
        prefixes = [shared_keys.job(""), redis_keys.parked_lane("")]
        cursor, hastened = "0", 0
        while True:
            cursor, of_page = await self._hasten(keys=keys, args=[provider, cursor, *prefixes, ""])
            hastened += int(of_page)
            if cursor in {"0", b"0"}:
                self.earlier.set()
                return hastened

    async def drop(self, delivery: Delivery) -> None:
        """Acknowledge a message whose job needs no work any more."""
        await self._ack(keys=list(redis_keys.MESSAGE_KEYS), args=[delivery.tag, delivery.task_id])
        claims.forget(delivery.tag)

    async def requeue(self, delivery: Delivery) -> None:
        """Give the message back to the head of its queue, as if it had not been claimed."""
        await self._requeue(keys=list(redis_keys.MESSAGE_KEYS), args=[delivery.tag, delivery.task_id])
        claims.forget(delivery.tag)


def note_departure(delivery: Delivery, left: Departure, *, done: int) -> None:
    """A script has taken the job off this worker's hands, if it has (`done`): no acknowledgement is owed.

    Raises:
        LostClaimError: if it has not, because the message is no longer ours.
    """
    claims.forget(delivery.tag)
    if not done:
        raise LostClaimError
    departures[delivery.tag] = left


def render_trail(trail: Sequence[Attempt]) -> str:
    """The trail as JSON, for the job's record."""
    return json.dumps([attempt.model_dump(mode="json") for attempt in trail])
