"""Waits for the outcomes of any number of jobs with one thread and one connection, also across restarts of Redis."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import redis

from pool_client.conversation import Conversation
from pool_client.errors import PoolUnavailableError
from pool_client.redis_connection import ANSWER_WITHIN_S, describe, pubsub_connection
from pool_client.waiting import Outcome, Waiting

LOOK_AGAIN_S = 10.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
CANCEL_AGAIN_S = 0.2

_REFUSALS = (redis.AuthenticationError, redis.exceptions.NoPermissionError)
"""No reconnection mends these: who waits is told at once."""

_log = logging.getLogger(__name__)


class Listener:
    """Gives futures of jobs' outcomes. Its thread starts with the first one asked for and ends with `close`."""

    def __init__(self, url: str, *, look_again_s: float = LOOK_AGAIN_S) -> None:
        self.trouble: str | None = None
        """Why Redis cannot be heard at present, if so."""
        self._url = url
        self._look_again_s = look_again_s
        self._lock = threading.RLock()
        self._is_closed = False
        self._hangs_up = False
        """Whether the connection is being closed just now."""
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._task: asyncio.Task[None]
        self._waiting = Waiting()
        self._stirred: asyncio.Event

    def wait_for(self, job_id: str) -> Future[Outcome]:
        """A future of how the job ends. To cancel it means to wait no longer.

        It fails with `InvalidRequestError` if the job is not known, and with `PoolUnavailableError` if Redis refuses us or the
        listener is closed.
        """
        future: Future[Outcome] = Future()
        future.add_done_callback(lambda done: self._call(self._waiting.forget, job_id, future) if done.cancelled() else None)
        if not self._call(self._waiting.add, job_id, future):
            future.set_exception(_closed())
        return future

    def close(self) -> None:
        """End the thread; futures that still wait fail."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            if self._thread is None:
                return
        self._cancel()
        if self._thread is not threading.current_thread():
            while self._thread.is_alive():
                self._thread.join(CANCEL_AGAIN_S)
                self._cancel()

    def _cancel(self) -> None:
        """Once is not always enough: redis-py waits by `asyncio.wait_for`, which on Python 3.11 can swallow a cancellation."""
        with suppress(RuntimeError):  # the loop is closed: it has ended
            self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        if not self._hangs_up:
            self._task.cancel()

    def _call(self, change: Callable[[str, Future[Outcome]], None], job_id: str, future: Future[Outcome]) -> bool:
        """Have the loop's thread do it; False if there is none any more."""
        with self._lock:
            if self._is_closed:
                return False
            if self._thread is None:
                self._start()
            self._loop.call_soon_threadsafe(self._change, change, job_id, future)
            return True

    def _change(self, change: Callable[[str, Future[Outcome]], None], job_id: str, future: Future[Outcome]) -> None:
        change(job_id, future)
        self._stirred.set()

    def _start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stirred = asyncio.Event()
        self._task = self._loop.create_task(self._listen())
        self._thread = threading.Thread(target=self._run, name="pool-listener", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._task)
        finally:
            self._waiting.fail_all(_closed())
            self._loop.close()

    async def _listen(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            connection, is_broken = pubsub_connection(self._url), False
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await connection.connect()  # type: ignore[no-untyped-call]  # redis-py left it so
                self.trouble, pause_s = None, FIRST_PAUSE_S
                await Conversation(connection, self._waiting, self._stirred, look_again_s=self._look_again_s).hold()
            except (redis.RedisError, OSError) as error:
                self._hear_trouble(error)
                is_broken = True
            finally:
                self._hangs_up = True
                await connection.disconnect(nowait=is_broken)  # to end TLS both sides have to say so; not for long
                await asyncio.sleep(0)  # the socket below TLS is closed one round later
                self._hangs_up = False
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _hear_trouble(self, error: Exception) -> None:
        if self.trouble is None:
            _log.warning("waiting for jobs is interrupted: %s", describe(error, self._url))
        self.trouble = describe(error, self._url)
        if isinstance(error, _REFUSALS):
            self._waiting.fail_all(PoolUnavailableError(self.trouble))


def _closed() -> PoolUnavailableError:
    return PoolUnavailableError("this Pool is closed")
