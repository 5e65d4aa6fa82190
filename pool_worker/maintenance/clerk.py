"""Blocking work with the database, beside the loop: one piece at a time, in threads that nobody who leaves waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread

import redis
from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger(__name__)


class Clerk:
    """Does one kind of work. A lock that somebody holds, or a server that does not answer, costs one waiting thread."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._piece: Future[int] | None = None
        self._is_held_up = False

    async def do(self, work: Callable[[], int]) -> int:
        """What the work returns; 0 when the piece before is not done yet, or the database is away: the next tick tries again."""
        if self._piece is not None and not self._piece.done():
            return 0
        self._piece = Future()
        self._piece.set_running_or_notify_cancel()
        Thread(target=self._do, args=(work, self._piece), name=self._what, daemon=True).start()
        try:
            done = await asyncio.wrap_future(self._piece)
        except SQLAlchemyError as error:
            self._tell(error)
            return 0
        self._tell(None)
        return done

    def _do(self, work: Callable[[], int], piece: Future[int]) -> None:
        try:
            result = work()
        except (SQLAlchemyError, redis.RedisError, OSError) as error:
            piece.set_exception(error)
        else:
            piece.set_result(result)
        finally:
            if not piece.done():
                piece.set_exception(RuntimeError(f"{self._what} failed; see the log"))

    def _tell(self, error: SQLAlchemyError | None) -> None:
        """Once when trouble begins, and once when it is over."""
        if error is not None and not self._is_held_up:
            logger.warning("%s waits for the database: %s", self._what, str(getattr(error, "orig", error)).partition("\n")[0])
        elif error is None and self._is_held_up:
            logger.warning("%s goes on", self._what)
        self._is_held_up = error is not None
