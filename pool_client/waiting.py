"""Who waits for which job. Belongs to one thread: that of the listener's loop."""

from __future__ import annotations

from concurrent.futures import Future

from pool_client.errors import PoolError
from pool_client.job import Failure, Result
from pool_client.outcome import parse_outcome

Outcome = Result | Failure


class Waiting:
    """The futures of each job waited for, and the jobs for which that has changed since `changed` was last taken."""

    def __init__(self) -> None:
        self._futures: dict[str, list[Future[Outcome]]] = {}
        self._changed: dict[str, None] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._futures

    def job_ids(self) -> list[str]:
        """All jobs that somebody waits for."""
        return list(self._futures)

    def take_changed(self) -> list[str]:
        """Jobs that somebody began, or everybody ceased, to wait for since the last call."""
        changed, self._changed = list(self._changed), {}
        return changed

    def add(self, job_id: str, future: Future[Outcome]) -> None:
        """Somebody waits for the job."""
        self._futures.setdefault(job_id, []).append(future)
        self._changed[job_id] = None

    def forget(self, job_id: str, future: Future[Outcome]) -> None:
        """The holder of this future waits no longer."""
        futures = self._futures.get(job_id, [])
        if future in futures:
            futures.remove(future)
        if not futures:
            self._end(job_id)

    def deliver(self, job_id: str, text: str) -> None:
        """The job has ended: tell all who wait for it."""
        try:
            outcome = parse_outcome(text)
        except PoolError as error:
            self.fail(job_id, error)
        else:
            for future in self._end(job_id):
                if future.set_running_or_notify_cancel():
                    future.set_result(outcome)

    def fail(self, job_id: str, error: PoolError) -> None:
        """Nothing will be heard of the job: tell all who wait for it."""
        for future in self._end(job_id):
            if future.set_running_or_notify_cancel():
                future.set_exception(error)

    def fail_all(self, error: PoolError) -> None:
        """Nothing will be heard of any job."""
        for job_id in self.job_ids():
            self.fail(job_id, error)

    def _end(self, job_id: str) -> list[Future[Outcome]]:
        self._changed[job_id] = None
        return self._futures.pop(job_id, [])
