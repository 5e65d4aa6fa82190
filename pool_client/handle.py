"""What `submit` gives back: a job that one can wait for, ask about and cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import Future
from typing import Protocol

from pool_client.errors import JobTimeoutError, PoolUnavailableError, from_failure
from pool_client.job import Failure, JobState, Result, Status
from pool_client.reading import Piece, Reading


class JobSource(Protocol):
    """Where a handle learns about its job: a `Pool`, or the in-memory one."""

    def outcome(self, job_id: str) -> Future[Result | Failure]:
        """A future of how the job ends; to cancel it means to wait no longer."""
        ...

    def pieces(self, job_id: str, outcome: Future[Result | Failure]) -> Iterator[list[Piece]]:
        """The pieces of its text, as they arrive."""
        ...

    def peek(self, job_id: str) -> Result | Failure | None:
        """How the job ended, or None if it has not."""
        ...

    def status(self, job_id: str) -> Status:
        """Where the job is."""
        ...

    def cancel(self, job_id: str) -> JobState:
        """Cancel the job; what is true now."""
        ...

    def trouble(self) -> str | None:
        """Why nothing can be heard of any job at present, if so."""
        ...


class JobHandle:
    """One job. `job.result(timeout=…)` waits in a thread, `await job` in a coroutine; both give the `Result`.

    `for piece in job` (or `async for`) gives the text of a job with `stream=True` as it arrives.
    """

    def __init__(self, job_id: str, pool: JobSource) -> None:
        self.id = job_id
        self._pool = pool
        self._outcome: Result | Failure | None = None

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"

    def result(self, timeout: float | None = None) -> Result:
        """Wait until the job has ended and return its result; without `timeout` (seconds) as long as it takes; 0 asks once.

        Raises:
            JobTimeoutError: it has not ended yet; it goes on, and `result` may be called again.
            PoolUnavailableError: Redis was away when the time was over.
            InvalidRequestError: there is no such job (any more).
            JobCancelledError, DeadlineExceededError, CompletionError: how the job failed; `.failure` has the details.
        """
        if self._outcome is None:
            self._outcome = self._wait(timeout)
        return self._unwrapped(self._outcome)

    def __await__(self) -> Generator[object, None, Result]:
        """As `result` without a timeout; put it under `asyncio.timeout` for one."""
        return self._awaited().__await__()

    def __iter__(self) -> Iterator[str]:
        """The answer's text as it arrives, from its beginning, if the job was submitted with `stream=True`; else all at once.

        A failover before the first piece is not seen.

        Raises:
            TextRestartedError: the provider failed after some text had come, and another one answers: iterate again.
            InvalidRequestError: there is no such job (any more).
            JobCancelledError, DeadlineExceededError, CompletionError: how the job failed.
        """
        reading, outcome = Reading(), self._pool.outcome(self.id)
        try:
            for pieces in self._pool.pieces(self.id, outcome):
                yield from reading.take(pieces)
            self._outcome = outcome.result()
        finally:
            outcome.cancel()
        if rest := reading.rest(self._unwrapped(self._outcome)):
            yield rest

    async def __aiter__(self) -> AsyncIterator[str]:
        """As `iter`, for coroutines; a thread waits."""
        text = iter(self)
        while (piece := await asyncio.to_thread(next, text, None)) is not None:
            yield piece

    def done(self) -> bool:
        """Whether the job has ended."""
        return self._outcome is not None or self.status().state.is_final

    def status(self) -> Status:
        """Where the job is now, with its attempts so far.

        Raises:
            InvalidRequestError: there is no such job (any more).
        """
        return self._pool.status(self.id)

    def cancel(self) -> JobState:
        """Cancel the job and return what is true now.

        `CANCELLED`: it will not run. `RUNNING`: its worker was told and stops if it still can. Any other: it ended before.

        Raises:
            InvalidRequestError: there is no such job (any more).
        """
        return self._pool.cancel(self.id)

    def _wait(self, timeout: float | None) -> Result | Failure:
        if timeout is not None and timeout <= 0 and (outcome := self._pool.peek(self.id)):
            return outcome
        future = self._pool.outcome(self.id)
        try:
            return future.result(timeout)
        except TimeoutError:
            if not future.cancel():
                return future.result()
        if trouble := self._pool.trouble():
            raise PoolUnavailableError(trouble)
        msg = f"job {self.id} did not end within {timeout} s; it goes on"
        raise JobTimeoutError(msg)

    async def _awaited(self) -> Result:
        if self._outcome is None:
            self._outcome = await asyncio.wrap_future(self._pool.outcome(self.id))
        return self._unwrapped(self._outcome)

    @staticmethod
    def _unwrapped(outcome: Result | Failure) -> Result:
        if isinstance(outcome, Failure):
            raise from_failure(outcome)
        return outcome
