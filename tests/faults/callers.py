"""A program that goes on submitting while Redis comes and goes, and wants every answer."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from lab import Lab

from pool_client import JobHandle, Pool
from pool_client.job import Result

PATIENT_S = 120.0


class PatientCaller:
    """Submits one job after the other in a thread, each under an idempotency key, and waits for Redis when it must."""

    def __init__(self, lab: Lab, *, redis_url: str | None = None, pause_s: float = 0.005) -> None:
        self.handles: list[JobHandle] = []
        self._pool = Pool(agent="log_analyzer", redis_url=redis_url or lab.redis.url, redis_wait_s=PATIENT_S)
        self._pause_s = pause_s
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._submit, name="caller")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._pool.close()

    def stop(self) -> list[JobHandle]:
        """Submit no more; returns all that were submitted."""
        self._over.set()
        self._thread.join(PATIENT_S)
        if self._error is not None:
            raise self._error
        return self.handles

    def submit(self, number: int) -> JobHandle:
        """The job of this number: the same one every time, as long as Redis remembers it."""
        return self._pool.submit(f"caller {number}: and what of this?", idempotency_key=f"line {number}", max_tokens=60)

    def results(self, *, within_s: float) -> list[Result]:
        """The answers, waited for one by one."""
        return [handle.result(timeout=within_s) for handle in self.handles]

    def _submit(self) -> None:
        try:
            while not self._over.wait(self._pause_s):
                self.handles.append(self.submit(len(self.handles)))
        except Exception as error:  # noqa: BLE001 - raised in the test's own thread
            self._error = error
