"""Plays the workers' side for tests of the client: takes messages out of the queues and stores outcomes as a worker does."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import redis

from pool_client import Failure, Job, PoolError, Result, Usage, redis_keys
from pool_client.outcome import render_outcome
from pool_client.queues import list_names


class StandInWorker:
    def __init__(self, client: redis.Redis) -> None:
        self.redis = client

    def waiting(self, queue: str = "free") -> list[str]:
        """Ids of the jobs in a queue, the next one first."""
        return [_job_id(text) for name in list_names(queue) for text in reversed(self.redis.lrange(name, 0, -1))]

    def take(self, queue: str = "free") -> Job:
        """Claim the next job, which is running from now on."""
        _, text = self.redis.brpop(list_names(queue), timeout=5)
        return self._open(_job_id(text))

    def answer(self, job: Job | str, content: str = "42") -> Result:
        job_id = job if isinstance(job, str) else job.id
        result = Result(
            job_id=job_id, content=content, model_id="m", provider="groq", usage=Usage(input_tokens=3, output_tokens=1)
        )
        self.finish(result)
        return result

    def fail(self, job: Job, error: PoolError) -> Failure:
        kind = type(error).__name__
        failure = Failure(job_id=job.id, type=kind, message=str(error), reasons={"m": "429"}, at=datetime.now(UTC))
        self.finish(failure)
        return failure

    def finish(self, outcome: Result | Failure, *, tell: bool = True) -> None:
        text = render_outcome(outcome)
        state = "succeeded" if isinstance(outcome, Result) else "failed"
        with self.redis.pipeline() as pipeline:
            pipeline.hdel(redis_keys.UNACKED, outcome.job_id)
            pipeline.hset(redis_keys.job(outcome.job_id), "state", state)
            if batch := self.redis.hget(redis_keys.job(outcome.job_id), "batch"):
                pipeline.hincrby(batch, state, 1)
            pipeline.set(redis_keys.result(outcome.job_id), text, px=redis_keys.RESULT_TTL_MS)
            if tell:
                pipeline.publish(redis_keys.result(outcome.job_id), text)
            pipeline.execute()

    @contextmanager
    def serving(self, answer: Callable[[Job], str]) -> Iterator[None]:
        """Answer every job of the free tier, in a thread, until the block ends."""
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                if taken := self.redis.brpop(list_names("free"), timeout=0.05):
                    job = self._open(_job_id(taken[1]))
                    try:
                        self.answer(job, answer(job))
                    except PoolError as error:
                        self.fail(job, error)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _open(self, job_id: str) -> Job:
        self.redis.hset(redis_keys.UNACKED, job_id, "claimed")
        self.redis.hset(redis_keys.job(job_id), mapping={"state": "running", "started_ms": "1", "tag": job_id})
        return Job.model_validate_json(self.redis.hget(redis_keys.job(job_id), "spec"))


def subscribed(client: redis.Redis, count: int) -> None:
    """Wait until so many channels are listened to."""
    while client.info("stats")["pubsub_channels"] != count:
        pass


def _job_id(message: str) -> str:
    args, _, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
    return args[0]
