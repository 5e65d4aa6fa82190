"""Asking a Redis that may be away: what passes is waited for as long as the caller chose, the rest is told at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import redis

from pool_client.errors import PoolUnavailableError
from pool_client.redis_connection import describe, is_lost_answer, is_outage

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What to tell of a change that failed: that it was surely not made, or that nobody knows."""

    surely_not: str = ""
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one Redis is waited for."""

    url: str
    wait_s: float
    clock: Callable[[], float]
    rest: Callable[[float], object]
    """Lets so many seconds pass."""
    reconnect: Callable[[], object]
    """Lets go of idle connections: another server may answer at the same address by now."""

    def ask(self, question: Callable[[], T], *, aftermath: Aftermath = Aftermath(), waits: bool = True) -> T:
        """The answer. The question has to be safe to ask again: its answer may have been lost on the way.

        A connection that breaks is replaced once at once, for the server may have closed it long ago; after that it is an outage.

        Raises:
            PoolUnavailableError: what is the matter with Redis, and what that means for what was asked.
        """
        until = self.clock() + (self.wait_s if waits else 0)
        pause_s, may_be_done, is_first = FIRST_PAUSE_S, False, True
        while True:
            try:
                return question()
            except (redis.RedisError, OSError) as error:
                may_be_done = may_be_done or is_lost_answer(error)
                was_stale = is_first and isinstance(error, redis.ConnectionError) and is_lost_answer(error)
                left_s = until - self.clock()
                if not was_stale and (left_s <= 0 or not is_outage(error)):
                    told = aftermath.unknown if may_be_done else aftermath.surely_not
                    raise PoolUnavailableError(describe(error, self.url) + told) from error
            self.reconnect()
            if not was_stale:
                self.rest(min(pause_s, left_s))
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            is_first = False
