"""Passing on the text of a streamed answer while it arrives. Who reads it, and how fast, is nobody's business here."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from redis.asyncio import Redis

from pool_client import redis_keys as shared_keys


class Speaker:
    """Writes what it is told to say into the job's stream of text; what is said while a write is on its way goes with the next.

    As an asynchronous context manager it has written everything when it is left.
    """

    def __init__(self, redis: Redis, job_id: str, *, attempt_id: str) -> None:
        self._redis = redis
        self._name = shared_keys.text(job_id)
        self._attempt_id = attempt_id
        self._unsaid = ""
        self._said_chars = 0
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writing is not None:
            await self._writing

    def say(self, text: str) -> None:
        """The next words."""
        self._unsaid += text
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """A piece may be written twice (see `BatchingRedis`); its reader knows by its place."""
        while self._unsaid:
            piece = {"attempt": self._attempt_id, "at": self._said_chars, "text": self._unsaid}
            self._said_chars += len(self._unsaid)
            self._unsaid = ""
            await asyncio.gather(
                self._redis.xadd(self._name, piece, maxlen=shared_keys.MOST_PIECES, approximate=True),  # type: ignore[arg-type]
                self._redis.pexpire(self._name, shared_keys.TEXT_TTL_MS),
            )
