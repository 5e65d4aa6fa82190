"""A Redis client for many coroutines: what they ask at the same time travels together.

While one batch is on its way the next one gathers, so that a lone command waits for nobody and a hundred cost little more than
one: most of the price of a command is the client's own (a connection to take, a packet to send, a reply to wait for).
"""

from __future__ import annotations

import asyncio
from typing import Any

import redis
import redis.asyncio

BATCH_AT_MOST = 200
"""So that the first reply of a batch does not wait long for its last command."""

_Asked = tuple[tuple[Any, ...], dict[str, Any], "asyncio.Future[Any]"]


class BatchingRedis(redis.asyncio.Redis):
    """`redis.asyncio.Redis`, for commands that do not block. Pipelines and subscriptions work as ever."""

    _asked: list[_Asked]
    _sender: asyncio.Task[None] | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command, with whatever else is asked meanwhile.

        Raises:
            redis.RedisError: what Redis answered to this command, or why the batch could not be sent. Some of a broken batch may
                have been carried out: ask again only what is safe to ask twice.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.__dict__.setdefault("_asked", []).append((args, options, answer))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())
        return await answer

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's signature
        """Close, when everything that was asked has its answer: a batch on its way would open a connection anew."""
        if self._sender is not None:
            await asyncio.wait([self._sender])
        await super().aclose(close_connection_pool)

    async def _send(self) -> None:
        while self._asked:
            batch, self._asked = self._asked[:BATCH_AT_MOST], self._asked[BATCH_AT_MOST:]
            for (_, _, waiting), answer in zip(batch, await self._answers(batch), strict=True):
                if waiting.done():
                    continue  # whoever asked has been cancelled
                if isinstance(answer, Exception):
                    waiting.set_exception(answer)
                else:
                    waiting.set_result(answer)

    async def _answers(self, batch: list[_Asked]) -> list[Any]:
        try:
            async with self.pipeline(transaction=False) as pipe:
                for args, options, _ in batch:
                    pipe.execute_command(*args, **options)
                return list(await pipe.execute(raise_on_error=False))
        except (redis.RedisError, OSError, ValueError) as error:  # ValueError: half a surrogate, which no encoding can carry
            return [error] * len(batch)
