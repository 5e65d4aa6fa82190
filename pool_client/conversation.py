"""One connection's talk with Redis about the jobs waited for.

For every such job it subscribes to the job's channel and then, on the same connection, looks at what is stored: what is published
after the subscription is heard, what was stored before it is seen, so no outcome is missed. From time to time it looks at all of
them again: an outcome whose message was lost is found, and so is a job whose record is gone; and a look that stays without an
answer tells that the connection is dead.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterator, Sequence

import redis
from redis.asyncio.connection import AbstractConnection

from pool_client import redis_keys
from pool_client.base import unknown_job
from pool_client.scripts import source
from pool_client.waiting import Waiting

CHUNK = 500
_CHANNEL = redis_keys.result("")


class Conversation:
    """Asks about the jobs in `waiting` and delivers to it what it hears, until the connection fails."""

    def __init__(self, connection: AbstractConnection, waiting: Waiting, stirred: asyncio.Event, *, look_again_s: float) -> None:
        self._connection = connection
        self._waiting = waiting
        self._stirred = stirred
        self._look_again_s = look_again_s
        self._look = source("look")
        self._unanswered: deque[list[str]] = deque()

    async def hold(self) -> None:
        """Talk, on a connected connection, until it fails.

        Raises:
            redis.RedisError, OSError: how it failed.
        """
        tasks = [asyncio.create_task(self._ask()), asyncio.create_task(self._hear())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self) -> None:
        self._waiting.take_changed()
        await self._ask_about(self._waiting.job_ids())
        while True:
            try:
                async with asyncio.timeout(self._look_again_s):
                    await self._stirred.wait()
            except TimeoutError:
                if self._unanswered:
                    msg = f"no answer within {self._look_again_s:.0f} s"
                    raise redis.ConnectionError(msg) from None
                await self._ask_about(self._waiting.job_ids())
            else:
                self._stirred.clear()
                await self._ask_about(self._waiting.take_changed())

    async def _ask_about(self, job_ids: Sequence[str]) -> None:
        for chunk in _chunks(job_ids):
            wanted = [job_id for job_id in chunk if job_id in self._waiting]
            unwanted = [job_id for job_id in chunk if job_id not in self._waiting]
            commands: list[tuple[str | int, ...]] = []
            if unwanted:
                commands.append(("UNSUBSCRIBE", *map(redis_keys.result, unwanted)))
            if wanted:
                keys = [key for job_id in wanted for key in (redis_keys.result(job_id), redis_keys.job(job_id))]
                commands += [("SUBSCRIBE", *map(redis_keys.result, wanted)), ("EVAL", self._look, len(keys), *keys)]
                self._unanswered.append(wanted)
            async with asyncio.timeout(self._look_again_s):
                await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)

    async def _hear(self) -> None:
        while True:
            match await self._connection.read_response(timeout=math.inf, push_request=True, disconnect_on_error=False):
                case ["message", channel, text]:
                    self._deliver(channel.removeprefix(_CHANNEL), text)
                case ["subscribe" | "unsubscribe", *_]:
                    pass
                case [*answers]:
                    for job_id, answer in zip(self._unanswered.popleft(), answers, strict=True):
                        self._deliver(job_id, answer)

    def _deliver(self, job_id: str, answer: str | None) -> None:
        if job_id not in self._waiting:
            return
        if answer is None:
            self._waiting.fail(job_id, unknown_job(job_id))
        elif answer:
            self._waiting.deliver(job_id, answer)
        else:
            return
        self._stirred.set()


def _chunks(job_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(job_ids), CHUNK):
        yield job_ids[start : start + CHUNK]
