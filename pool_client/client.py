"""`Pool`: submits jobs to Redis and waits for their results.

A pool may be shared by all threads and coroutines of a process; after a fork, make a new one.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, cast

from pydantic import Field, TypeAdapter, ValidationError
from redis import Redis, RedisError
from redis.client import Pipeline

from pool_client import redis_keys
from pool_client.agents import PublishedDefaults
from pool_client.base import BasePool, unknown_batch, unknown_job
from pool_client.building import render_spec
from pool_client.envelope import origin, render_message
from pool_client.errors import ConfigurationError
from pool_client.job import Failure, Job, JobState, Progress, Result, Status
from pool_client.listener import Listener
from pool_client.models import ModelInfo, parse_catalog
from pool_client.options import AgentDefaults
from pool_client.outcome import cancelled, parse_outcome, render_outcome
from pool_client.patience import Aftermath, Patience
from pool_client.queues import entry_queue
from pool_client.reading import Piece
from pool_client.record import parse_status
from pool_client.redis_connection import DEFAULT_URL, connect, shown
from pool_client.scripts import Scripts
from pool_client.signing import sign
from pool_client.stats import PoolHealth, PoolStats, Snapshot, parse_snapshot
from pool_client.tracing import submitting

CHUNK = 500

READ_MS = 200
"""How long a reader waits for text before it looks whether the job has ended."""

_Entries = list[tuple[str, list[tuple[str, dict[str, str]]]]]
"""Of each stream: its name, and place and fields of each entry."""

_SECONDS = TypeAdapter(Annotated[float, Field(ge=0)])

_NOTHING_SENT = Aftermath(surely_not=": nothing was submitted", unknown=": nothing was submitted")
_ONE_SENT = Aftermath(
    surely_not=": nothing was submitted",
    unknown="; the job may have been accepted all the same: under the same idempotency_key it is safe to submit it again",
)
_SOME = "; some of the jobs may have been accepted: under the same idempotency keys it is safe to submit them all again"
_MANY_SENT = Aftermath(surely_not=_SOME, unknown=_SOME)


class Pool(BasePool):
    """The pool behind a Redis.

    Args:
        agent: in whose name jobs are submitted; its defaults apply, and its budget pays.
        secret: what its jobs are signed with, if the workers' `agents.yaml` has one for the agent; by default
            `MODEL_POOL_AGENT_SECRET`, else they are not signed.
        redis_url: by default `MODEL_POOL_REDIS_URL`, else `redis://localhost:6379/0`.
        redis_wait_s: how long `submit`, `status` and `cancel` wait for a Redis that is away, starts, is full or refuses writes,
            before they raise `PoolUnavailableError`; by default they raise it at once. `math.inf`: as long as it takes.
        clock: seconds, for what was cached and for waiting.

    Raises:
        ConfigurationError: if the URL is not a Redis URL, or the seconds are no number from 0 on.
    """

    def __init__(
        self,
        *,
        agent: str = "default",
        secret: str | None = None,
        redis_url: str | None = None,
        redis_wait_s: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(agent=agent)
        self._url = redis_url or os.environ.get("MODEL_POOL_REDIS_URL") or DEFAULT_URL
        self._secret = secret or os.environ.get("MODEL_POOL_AGENT_SECRET") or None
        self._redis = connect(self._url)
        self._patience = Patience(
            url=self._url,
            wait_s=_seconds(redis_wait_s),
            clock=clock,
            rest=time.sleep,
            reconnect=partial(self._redis.connection_pool.disconnect, inuse_connections=False),
        )
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
        self._published.doubt(jobs)
        ids: list[str] = []
        aftermath = _ONE_SENT if len(jobs) == 1 else _MANY_SENT
        with submitting(self.agent, jobs=len(jobs)) as traceparent:
            for start in range(0, len(jobs), CHUNK):
                chunk = slice(start, start + CHUNK)
                send = partial(self._send_chunk, jobs[chunk], specs[chunk], traceparent=traceparent)
                ids += self._patience.ask(send, aftermath=aftermath)
        return ids

    def outcome(self, job_id: str) -> Future[Result | Failure]:
        """A future of how the job ends; see `BasePool.outcome`."""
        return self._listener.wait_for(job_id)

    def pieces(self, job_id: str, outcome: Future[Result | Failure]) -> Iterator[list[Piece]]:
        """The pieces of a job's text; see `BasePool.pieces`. Each reader has a connection of its own: it waits on it."""
        name, after = redis_keys.text(job_id), "0"
        with connect(self._url) as redis:
            ended = False
            while not ended:
                ended = outcome.done()
                if found := _read_stream(redis, name, after, waits_for=None if ended else outcome):
                    after = found[-1].place
                    yield found

    def peek(self, job_id: str) -> Result | Failure | None:
        """How the job ended, or None if it has not."""
        text = self._patience.ask(lambda: cast("str | None", self._redis.get(redis_keys.result(job_id))), waits=False)
        return parse_outcome(text) if text else None

    def status(self, job_id: str) -> Status:
        """Where the job is; see `BasePool.status`."""
        record = self._patience.ask(lambda: cast("dict[str, str]", self._redis.hgetall(redis_keys.job(job_id))))
        if not record:
            raise unknown_job(job_id)
        return parse_status(job_id, record)

    def cancel(self, job_id: str) -> JobState:
        """Cancel the job; see `BasePool.cancel`."""
        outcome = render_outcome(cancelled(job_id, at=datetime.now(UTC)))
        state = self._patience.ask(lambda: self._scripts.cancel(job_id=job_id, outcome=outcome))
        if state is None:
            raise unknown_job(job_id)
        return JobState(state)

    def progress(self, batch: str) -> Progress:
        """How far a batch is; see `BasePool.progress`."""
        counts = self._patience.ask(lambda: cast("dict[str, str]", self._redis.hgetall(redis_keys.batch(batch))))
        if not counts:
            raise unknown_batch(batch)
        return Progress.model_validate(counts)

    def get_all_stats(self) -> PoolStats:
        """How full all limits are; see `BasePool.get_all_stats`."""
        return self._snapshot().stats

    def get_health_status(self) -> PoolHealth:
        """Who can be called; see `BasePool.get_health_status`."""
        return self._snapshot().health

    def trouble(self) -> str | None:
        """Why nothing can be heard of any job at present, if so."""
        return self._listener.trouble

    def close(self) -> None:
        """Stop waiting and close the connections; see `BasePool.close`."""
        self._ending()
        self._redis.close()

    def _defaults(self) -> AgentDefaults:
        return self._patience.ask(self._published.current, aftermath=_NOTHING_SENT)

    def _catalog(self) -> Sequence[ModelInfo]:
        text = self._patience.ask(lambda: cast("str | None", self._redis.get(redis_keys.MODELS)))
        return parse_catalog(text).models

    def _snapshot(self) -> Snapshot:
        def ask() -> tuple[str | None, tuple[int, int]]:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.get(redis_keys.STATS)
                pipe.time()
                text, now = pipe.execute()
            return text, now

        text, (seconds, _) = self._patience.ask(ask)
        return parse_snapshot(text, now=datetime.fromtimestamp(seconds, UTC))

    def _send_chunk(self, jobs: Sequence[Job], specs: Sequence[str], *, traceparent: str) -> list[str]:
        """Safe to do again: the ids are the jobs' own, and what Redis has accepted it accepts no second time."""
        if len(jobs) == 1:
            return [self._submit(jobs[0], specs[0], traceparent=traceparent)]
        with self._redis.pipeline(transaction=False) as pipeline:
            for job, spec in zip(jobs, specs, strict=True):
                self._submit(job, spec, traceparent=traceparent, pipeline=pipeline)
            answers = pipeline.execute(raise_on_error=False)  # redis-py would put the job's text into its errors
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return cast("list[str]", answers)

    def _submit(self, job: Job, spec: str, *, traceparent: str, pipeline: Pipeline | None = None) -> str:
        queue = entry_queue(job.tier)
        message = render_message(job.id, queue=queue, priority=job.priority, origin=self._origin, traceparent=traceparent)
        return self._scripts.submit(
            job_id=job.id,
            spec=spec,
            message=message,
            agent=job.agent,
            queue=queue,
            priority=job.priority,
            idempotency_key=job.idempotency_key,
            batch=job.batch,
            signature=sign(spec, secret=self._secret) if self._secret else "",
            pipeline=pipeline,
        )


def _read_stream(redis: Redis, name: str, after: str, *, waits_for: Future[Result | Failure] | None) -> list[Piece]:
    """What has come after a place in a stream; if nothing has, what comes next, or nothing for a moment.

    While Redis is away nothing comes; the listener knows whether it is worth waiting.
    """
    try:
        answer = cast("_Entries", redis.xread({name: after}, block=READ_MS if waits_for else None))
    except (RedisError, OSError):
        wait([waits_for] if waits_for else [], timeout=READ_MS / 1000)
        return []
    return [Piece.parse(place, fields) for _, entries in answer for place, fields in entries]


def _seconds(redis_wait_s: float) -> float:
    try:
        return _SECONDS.validate_python(redis_wait_s)
    except ValidationError:
        msg = f"redis_wait_s: {redis_wait_s!r} is not valid: it should be a number of seconds from 0 on, or math.inf"
        raise ConfigurationError(msg) from None
