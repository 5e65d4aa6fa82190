"""The jobs that one worker process is working on, and stopping one whose caller wants no answer any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from pool_client.errors import JobCancelledError


class UnderWay:
    """See the module's docstring."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[object]] = {}
        self._cancelled: set[str] = set()

    def __len__(self) -> int:
        """How many jobs are being worked on."""
        return len(self._tasks)

    @contextmanager
    def working_on(self, job_id: str) -> Iterator[None]:
        """While the current task works on a job, its caller may cancel it.

        Raises:
            JobCancelledError: in place of `asyncio.CancelledError`, if its caller cancelled it, not the worker that leaves.
        """
        task = asyncio.current_task()
        assert task is not None, "jobs run as tasks of the loop"  # noqa: S101
        self._tasks[job_id] = task
        try:
            yield
        except asyncio.CancelledError:
            if job_id not in self._cancelled:
                raise
            task.uncancel()
            raise JobCancelledError from None
        finally:
            self._tasks.pop(job_id, None)
            self._cancelled.discard(job_id)

    def cancel(self, job_id: str) -> None:
        """Stop working on a job, if it is one of ours, because its caller wants no answer any more."""
        if task := self._tasks.get(job_id):
            self._cancelled.add(job_id)
            task.cancel()
