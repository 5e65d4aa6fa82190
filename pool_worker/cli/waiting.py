"""Waiting for a job at the command line: what it waits for is told on stderr, once the wait gets long and at every change."""

from __future__ import annotations

import math
import time

import redis
from rich.text import Text

from pool_client.errors import JobTimeoutError, PoolUnavailableError
from pool_client.handle import JobHandle
from pool_client.job import Result
from pool_client.redis_connection import connect, redis_errors
from pool_worker.cli.figures import span
from pool_worker.cli.reaching import starter
from pool_worker.cli.reasons import reason_words
from pool_worker.cli.terminal import as_typed, err
from pool_worker.cli.whereabouts import NOBODY_WORKS, Whereabouts, look, where_words

QUIET_S = 2.0
LOOK_EVERY_S = 1.0


class Waiting:
    """One job that somebody waits for."""

    def __init__(self, job: JobHandle, url: str) -> None:
        self.words = "waiting for the answer"
        """What the job waits for, as of the last look."""
        self._job = job
        self._url = url
        self._gist: object = None
        self._told: object = None

    def result(self, *, timeout_s: float | None = None) -> Result:
        """Wait until the job has ended, as long as it takes or `timeout_s`, also while Redis is away.

        Raises:
            JobTimeoutError, PoolUnavailableError: the time is over.
            PoolError: how the job failed, or that it is not known.
        """
        began = time.monotonic()
        until = math.inf if timeout_s is None else began + timeout_s
        with connect(self._url) as client, err.status(Text(self.words)) as live:
            while True:
                left_s = until - time.monotonic()
                try:
                    return self._job.result(timeout=min(LOOK_EVERY_S, max(0.0, left_s)))
                except (JobTimeoutError, PoolUnavailableError):
                    self._look(client)
                    if left_s <= LOOK_EVERY_S:
                        raise
                waited_s = time.monotonic() - began
                live.update(Text(f"{span(waited_s)}; Ctrl-C leaves it to itself"))
                if waited_s >= QUIET_S:
                    self._tell()

    def _look(self, client: redis.Redis) -> None:
        """See where the job is, or why that cannot be seen."""
        try:
            with redis_errors(self._url):
                where = look(client, self._job.status())
        except PoolUnavailableError as error:
            self.words, self._gist = str(error), error.__class__
            time.sleep(LOOK_EVERY_S)
            return
        if where.status.state.is_final:  # just now: its outcome comes with the next wait
            return
        self.words, self._gist = where_words(where), _gist(where)
        if where.unserved is not None:
            starts = starter(self._url) if where.unserved == NOBODY_WORKS else f"worker --queues {where.status.queue}"
            self.words += f"; to start one: {as_typed(starts)}"

    def _tell(self) -> None:
        """A line, if it says something new."""
        if self._gist != self._told:
            self._told = self._gist
            err.print(Text(f"waiting: {self.words}"))


def _gist(where: Whereabouts) -> object:
    """What makes news of it. Fewer jobs before it are news when they have become half as many; a later time alone is none."""
    status = where.status
    return (
        (where.ahead or 0).bit_length(),
        status.state,
        status.queue,
        status.wait_reason and reason_words(status.wait_reason),
        where.worker,
        where.unserved,
    )
