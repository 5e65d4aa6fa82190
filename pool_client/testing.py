"""A pool without Redis, workers and providers, for the tests of programs that submit jobs.

It checks jobs as the real one does, and its handles are the real ones. Its answers are yours::

    pool = InMemoryPool(lambda job: f"You said: {job.messages[-1].content}")
    pool = InMemoryPool(["first answer", RateLimitError("try later")])
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TypeAlias

from pool_client.base import BasePool, unknown_batch, unknown_job
from pool_client.building import render_spec
from pool_client.errors import PoolError, PoolUnavailableError
from pool_client.job import Failure, Job, JobState, Progress, Result, Status
from pool_client.models import ModelInfo
from pool_client.options import AgentDefaults
from pool_client.outcome import cancelled, parse_outcome, render_outcome
from pool_client.queues import entry_queue
from pool_client.reading import Piece
from pool_client.record import parse_status
from pool_client.stats import PoolHealth, PoolStats
from pool_client.waiting import Waiting

Answer: TypeAlias = str | Result | Failure | PoolError
"""How a job is to end: its content, the whole result, or an error."""


def echo(job: Job) -> str:
    """The last message's own content."""
    return str(job.messages[-1].content)


class InMemoryPool(BasePool):
    """Ends every job at once with the next of `answers`, or with what the function `answers` returns or raises (a `PoolError`).

    Args:
        answers: by default each job is answered with its own last message.
        agent: in whose name jobs are submitted.
        defaults: the agent's defaults.
        paused: jobs stay queued until `run` is called: for tests of waiting, time-outs and cancelling.
    """

    def __init__(
        self,
        answers: Callable[[Job], Answer] | Iterable[Answer] = echo,
        *,
        agent: str = "default",
        defaults: AgentDefaults | None = None,
        paused: bool = False,
    ) -> None:
        super().__init__(agent=agent)
        self.jobs: list[Job] = []
        """Every job accepted, in order."""
        self.stats = PoolStats(taken_at=datetime.now(UTC))
        self.health = PoolHealth(taken_at=datetime.now(UTC))
        self.known_models: list[ModelInfo] = []
        """What `models` chooses from."""
        self._answer = answers if callable(answers) else _one_after_another(answers)
        self._agent_defaults = defaults or AgentDefaults()
        self._paused = paused
        self._records: dict[str, dict[str, str]] = {}
        self._outcomes: dict[str, str] = {}
        self._taken: dict[tuple[str, str], str] = {}
        self._waiting = Waiting()

    def run(self) -> None:
        """End all jobs that are queued, in the order in which they came."""
        for job in self.jobs:
            if self._records[job.id]["state"] == JobState.QUEUED:
                self._end(job.id, self._outcome_of(job))

    def send(self, jobs: Sequence[Job]) -> list[str]:
        """Accept jobs already built; see `BasePool.send`."""
        for job in jobs:
            render_spec(job)
        ids = [self._accept(job) for job in jobs]
        if not self._paused:
            self.run()
        return ids

    def outcome(self, job_id: str) -> Future[Result | Failure]:
        """A future of how the job ends; see `BasePool.outcome`."""
        future: Future[Result | Failure] = Future()
        self._waiting.add(job_id, future)
        future.add_done_callback(lambda done: self._waiting.forget(job_id, future) if done.cancelled() else None)
        if job_id not in self._records:
            self._waiting.fail(job_id, unknown_job(job_id))
        elif job_id in self._outcomes:
            self._waiting.deliver(job_id, self._outcomes[job_id])
        return future

    def pieces(self, job_id: str, outcome: Future[Result | Failure]) -> Iterator[list[Piece]]:  # noqa: ARG002 - it has no streams
        """None: the whole text comes with the result."""
        return iter(())

    def peek(self, job_id: str) -> Result | Failure | None:
        """How the job ended, or None if it has not."""
        text = self._outcomes.get(job_id)
        return parse_outcome(text) if text else None

    def status(self, job_id: str) -> Status:
        """Where the job is; see `BasePool.status`."""
        if job_id not in self._records:
            raise unknown_job(job_id)
        return parse_status(job_id, self._records[job_id])

    def cancel(self, job_id: str) -> JobState:
        """Cancel the job; see `BasePool.cancel`."""
        if self.status(job_id).state is JobState.QUEUED:
            self._end(job_id, cancelled(job_id, at=datetime.now(UTC)))
        return self.status(job_id).state

    def progress(self, batch: str) -> Progress:
        """How far a batch is; see `BasePool.progress`."""
        states = Counter(self._records[job.id]["state"] for job in self.jobs if job.batch == batch)
        if not states:
            raise unknown_batch(batch)
        ended = {state: states[state] for state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)}
        return Progress.model_validate({"jobs": states.total(), **ended})

    def get_all_stats(self) -> PoolStats:
        """What the test has put into `stats`; no provider by default."""
        return self.stats

    def get_health_status(self) -> PoolHealth:
        """What the test has put into `health`; no provider by default."""
        return self.health

    def trouble(self) -> None:
        """Nothing can go away here."""

    def close(self) -> None:
        """Whoever still waits gets a `PoolUnavailableError`."""
        self._waiting.fail_all(PoolUnavailableError("this Pool is closed"))

    def _defaults(self) -> AgentDefaults:
        return self._agent_defaults

    def _catalog(self) -> list[ModelInfo]:
        return self.known_models

    def _accept(self, job: Job) -> str:
        if job.idempotency_key is not None:
            earlier = self._taken.setdefault((job.agent, job.idempotency_key), job.id)
            if earlier != job.id:
                return earlier
        if job.id not in self._records:
            self.jobs.append(job)
            self._records[job.id] = {
                "state": JobState.QUEUED,
                "agent": job.agent,
                "priority": job.priority,
                "queue": entry_queue(job.tier),
                "submitted_ms": _ms(job.submitted_at),
            }
        return job.id

    def _outcome_of(self, job: Job) -> Result | Failure:
        try:
            answer = self._answer(job)
        except PoolError as error:
            answer = error
        match answer:
            case str():
                return Result(job_id=job.id, content=answer, model_id=job.model or "in-memory", provider="in-memory")
            case PoolError():
                return Failure(
                    job_id=job.id,
                    type=type(answer).__name__,
                    message=str(answer),
                    retryable=answer.retryable,
                    at=datetime.now(UTC),
                )
            case Result() | Failure():
                return answer.model_copy(update={"job_id": job.id})

    def _end(self, job_id: str, outcome: Result | Failure) -> None:
        now = datetime.now(UTC)
        self._outcomes[job_id] = text = render_outcome(outcome, at=now)
        self._records[job_id] |= {"state": _final_state(outcome), "finished_ms": _ms(now)}
        self._waiting.deliver(job_id, text)


def _final_state(outcome: Result | Failure) -> JobState:
    if isinstance(outcome, Result):
        return JobState.SUCCEEDED
    return JobState.CANCELLED if outcome.type == "JobCancelledError" else JobState.FAILED


def _one_after_another(answers: Iterable[Answer]) -> Callable[[Job], Answer]:
    left = iter(answers)

    def answer(job: Job) -> Answer:
        for next_answer in left:
            return next_answer
        msg = f"InMemoryPool has no answer left for job {job.id}: {echo(job)!r}"
        raise LookupError(msg)

    return answer


def _ms(time: datetime) -> str:
    return str(int(time.timestamp() * 1000))
