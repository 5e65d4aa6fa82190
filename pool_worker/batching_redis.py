"""A Redis client for many coroutines: what they ask at the same time travels together, and waits together while Redis is away.

While one batch is on its way the next one gathers, so that a lone command waits for nobody and a hundred cost little more than
one: most of the price of a command is the client's own (a connection to take, a packet to send, a reply to wait for).
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import redis
import redis.asyncio

BATCH_AT_MOST = 200
"""So that the first reply of a batch does not wait long for its last command."""
FIRST_REST_S, LONGEST_REST_S = 0.05, 1.0
"""Between two tries while Redis is away."""
CLOSE_WITHIN_S = 3.0
"""If Redis is away, what it was still to be told is then lost."""
SAY_AGAIN_S = 10.0

logger = logging.getLogger(__name__)

_Asked = tuple[tuple[Any, ...], dict[str, Any], "asyncio.Future[Any]"]

_REFUSES = (
    redis.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)
_REFUSALS = ("MISCONF", "NOREPLICAS", "BUSY ")
"""How the texts of such refusals begin that redis-py has no class for: the disk is full, replicas are missing, a script hangs."""
_NEVER = (redis.AuthenticationError, redis.exceptions.AuthorizationError)
"""redis-py derives these from `ConnectionError`, but waiting does not mend them."""


class BatchingRedis(redis.asyncio.Redis):
    """`redis.asyncio.Redis`, for commands that do not block. Pipelines and subscriptions work as ever.

    A command that Redis cannot carry out now (it is away, restarting, read-only or full) is asked again until it can, for what
    a worker has to tell it must not be lost. So every command here must be one that may safely be carried out twice.
    """

    _asked: list[_Asked]
    _sender: asyncio.Task[None] | None = None
    _said_at = -SAY_AGAIN_S

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """One command, with whatever else is asked meanwhile; waits while Redis is away.

        Raises:
            redis.RedisError: what Redis answered to this command.
        """
        while True:
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self.__dict__.setdefault("_asked", []).append((args, options, answer))
            if self._sender is None or self._sender.done():
                self._sender = asyncio.create_task(self._send())
            try:
                return await answer
            except redis.ResponseError as error:
                if not _refuses_for_now(error):
                    raise
                self._say(error)
            await asyncio.sleep(LONGEST_REST_S)  # outside the batch: what others ask (to end a job, say) may well be granted

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's signature
        """Close, when everything that was asked has its answer: a batch on its way would open a connection anew."""
        if self._sender is not None:
            await asyncio.wait([self._sender], timeout=CLOSE_WITHIN_S)
            self._sender.cancel()
        await super().aclose(close_connection_pool)

    async def _send(self) -> None:
        while self._asked:
            batch, self._asked = self._asked[:BATCH_AT_MOST], self._asked[BATCH_AT_MOST:]
            try:
                await self._hand_out_answers(batch)
            except BaseException:  # broken off: a job that waits for ever would keep its message for ever
                _hand_out(batch, [redis.ConnectionError("the connection was given up")] * len(batch))
                raise

    async def _hand_out_answers(self, batch: list[_Asked]) -> None:
        rest_s = FIRST_REST_S
        while batch:
            answers = await self._answers(batch)
            if not _is_away(answers[0]):
                _hand_out(batch, answers)
                return
            self._say(answers[0])
            await asyncio.wait([waiting for _, _, waiting in batch], timeout=rest_s)  # or until nobody waits any more
            rest_s = min(2 * rest_s, LONGEST_REST_S)
            batch = [asked for asked in batch if not asked[2].done()]

    async def _answers(self, batch: list[_Asked]) -> list[Any]:
        try:
            async with self.pipeline(transaction=False) as pipe:
                for args, options, _ in batch:
                    pipe.execute_command(*args, **options)
                return list(await pipe.execute(raise_on_error=False))
        except Exception as error:  # noqa: BLE001 - half a surrogate, or what redis-py and the loop raise unforeseen
            return [error] * len(batch)

    def _say(self, error: Exception) -> None:
        if time.monotonic() - self._said_at >= SAY_AGAIN_S:
            self._said_at = time.monotonic()
            logger.warning("waiting for Redis: %s", str(error) or type(error).__name__)


def _hand_out(batch: list[_Asked], answers: list[Any]) -> None:
    for (_, _, waiting), answer in zip(batch, answers, strict=True):
        if waiting.done():
            continue
        if isinstance(answer, Exception):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)


def _is_away(answer: Any) -> bool:
    """Whether Redis could not be asked at all (then all the answers of the batch are the same error), or is starting."""
    return isinstance(answer, redis.ConnectionError | redis.TimeoutError | OSError) and not isinstance(answer, _NEVER)


def _refuses_for_now(error: redis.ResponseError) -> bool:
    return isinstance(error, _REFUSES) or str(error).startswith(_REFUSALS)
