"""`Pool`: submits jobs to Redis and waits for their results.

A pool may be shared by all threads and coroutines of a process; after a fork, make a new one.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import cast

import redis

from pool_client import redis_keys
from pool_client.agents import PublishedDefaults
from pool_client.base import BasePool, unknown_job
from pool_client.building import render_spec
from pool_client.envelope import origin, render_message
from pool_client.job import Failure, Job, JobState, Result, Status
from pool_client.listener import Listener
from pool_client.options import AgentDefaults
from pool_client.outcome import cancelled, parse_outcome, render_outcome
from pool_client.queues import entry_queue
from pool_client.record import parse_status
from pool_client.redis_connection import DEFAULT_URL, connect, redis_errors, shown
from pool_client.scripts import Scripts

CHUNK = 500


class Pool(BasePool):
    """The pool behind a Redis.

    Args:
        agent: in whose name jobs are submitted; its defaults apply, and its budget pays.
        redis_url: by default `MODEL_POOL_REDIS_URL`, else `redis://localhost:6379/0`.
        clock: seconds, for the age of what was cached.

    Raises:
        ConfigurationError: if the URL is not a Redis URL.
    """

    def __init__(
        self, *, agent: str = "default", redis_url: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(agent=agent)
        self._url = redis_url or os.environ.get("MODEL_POOL_REDIS_URL") or DEFAULT_URL
        self._redis = connect(self._url)
        self._scripts = Scripts(self._redis)
        self._published = PublishedDefaults(self._redis, agent=agent, clock=clock)
        self._listener = Listener(self._url)
        self._origin = origin()
        self._ending = weakref.finalize(self, self._listener.close)

    def __repr__(self) -> str:
        return f"Pool(agent={self.agent!r}, redis_url={shown(self._url)!r})"

    def send(self, jobs: Sequence[Job]) -> list[str]:
        """Submit jobs already built; see `BasePool.send`."""
        specs = [render_spec(job) for job in jobs]
        ids: list[str] = []
        with redis_errors(self._url):
            for start in range(0, len(jobs), CHUNK):
                ids += self._send_chunk(jobs[start : start + CHUNK], specs[start : start + CHUNK])
        return ids

    def outcome(self, job_id: str) -> Future[Result | Failure]:
        """A future of how the job ends; see `BasePool.outcome`."""
        return self._listener.wait_for(job_id)

    def peek(self, job_id: str) -> Result | Failure | None:
        """How the job ended, or None if it has not."""
        with redis_errors(self._url):
            text = cast("str | None", self._redis.get(redis_keys.result(job_id)))
        return parse_outcome(text) if text else None

    def status(self, job_id: str) -> Status:
        """Where the job is; see `BasePool.status`."""
        with redis_errors(self._url):
            record = cast("dict[str, str]", self._redis.hgetall(redis_keys.job(job_id)))
        if not record:
            raise unknown_job(job_id)
        return parse_status(job_id, record)

    def cancel(self, job_id: str) -> JobState:
        """Cancel the job; see `BasePool.cancel`."""
        outcome = render_outcome(cancelled(job_id, at=datetime.now(UTC)))
        with redis_errors(self._url):
            state = self._scripts.cancel(job_id=job_id, outcome=outcome)
        if state is None:
            raise unknown_job(job_id)
        return JobState(state)

    def trouble(self) -> str | None:
        """Why nothing can be heard of any job at present, if so."""
        return self._listener.trouble

    def close(self) -> None:
        """Stop waiting and close the connections; see `BasePool.close`."""
        self._ending()
        self._redis.close()

    def _defaults(self) -> AgentDefaults:
        with redis_errors(self._url):
            return self._published.current()

    def _send_chunk(self, jobs: Sequence[Job], specs: Sequence[str]) -> list[str]:
        try:
            return self._send_once(jobs, specs)
        except redis.ConnectionError:
            # The connection may have been cut before or after Redis did it: the script does nothing twice.
            return self._send_once(jobs, specs)

    def _send_once(self, jobs: Sequence[Job], specs: Sequence[str]) -> list[str]:
        if len(jobs) == 1:
            return [self._submit(jobs[0], specs[0])]
        with self._redis.pipeline(transaction=False) as pipeline:
            for job, spec in zip(jobs, specs, strict=True):
                self._submit(job, spec, pipeline)
            return cast("list[str]", pipeline.execute())

    def _submit(self, job: Job, spec: str, pipeline: redis.client.Pipeline | None = None) -> str:
        queue = entry_queue(job.tier)
        message = render_message(job.id, queue=queue, priority=job.priority, origin=self._origin)
        return self._scripts.submit(
            job_id=job.id,
            spec=spec,
            message=message,
            agent=job.agent,
            queue=queue,
            priority=job.priority,
            idempotency_key=job.idempotency_key,
            pipeline=pipeline,
        )
