"""Follows the demo's jobs: how many are in which state now, and how each of them ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from pool_client import Pool
from pool_client import redis_keys as shared_keys
from pool_client.job import Attempt, Failure, JobState, Result
from pool_client.outcome import parse_outcome
from pool_client.record import parse_status
from pool_client.redis_connection import connect
from pool_worker.cli.demo.requests import Request


@dataclass(frozen=True, slots=True)
class EndedJob:
    """One job that has ended."""

    job_id: str
    agent: str
    submitted_at: datetime
    finished_at: datetime
    outcome: Result | Failure
    parked_for: str | None = None
    """What it waited for last, if it was seen to be parked."""

    @property
    def attempts(self) -> Sequence[Attempt]:
        """Its trail."""
        return self.outcome.attempts

    @property
    def is_answered(self) -> bool:
        """Whether a model answered."""
        return isinstance(self.outcome, Result) and not self.outcome.degraded


class Tracker:
    """Submits jobs as their agents, and looks after them in few round trips."""

    def __init__(self, url: str) -> None:
        self.states: Counter[JobState] = Counter()
        self.ended: list[EndedJob] = []
        self._url = url
        self._stack = ExitStack()
        self._client = self._stack.enter_context(connect(url))
        self._pools: dict[str, Pool] = {}
        self._open: list[str] = []
        self._parked: dict[str, str] = {}

    @property
    def submitted(self) -> int:
        """All jobs so far."""
        return len(self._open) + len(self.ended)

    @property
    def ever_parked(self) -> Mapping[str, str]:
        """Job id → what it waited for last, of those that were seen to be parked."""
        return self._parked

    def submit(self, requests: Iterable[Request]) -> None:
        """Submit them, each in the name of its agent."""
        by_agent: dict[str, list[Request]] = {}
        for request in requests:
            by_agent.setdefault(request.agent, []).append(request)
        for agent, asked in by_agent.items():
            jobs = self._pool(agent).submit_many({"prompt": request.prompt, **request.options} for request in asked)
            self._open += [job.id for job in jobs]

    def look(self) -> None:
        """Bring `states` and `ended` up to date."""
        with self._client.pipeline(transaction=False) as pipe:
            for job_id in self._open:
                pipe.hmget(shared_keys.job(job_id), "state", "wait_reason")
            rows = dict(zip(self._open, pipe.execute(), strict=True))
        states = {job_id: JobState(state) for job_id, (state, _) in rows.items()}
        self._parked |= {job_id: rows[job_id][1] or "" for job_id, state in states.items() if state is JobState.PARKED}
        final = [job_id for job_id, state in states.items() if state.is_final]
        self.ended += self._read(final)
        self._open = [job_id for job_id in self._open if not states[job_id].is_final]
        self.states = Counter(states[job_id] for job_id in self._open)

    def close(self) -> None:
        """Close the connections."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _pool(self, agent: str) -> Pool:
        if agent not in self._pools:
            self._pools[agent] = self._stack.enter_context(Pool(agent=agent, redis_url=self._url))
        return self._pools[agent]

    def _read(self, job_ids: Sequence[str]) -> list[EndedJob]:
        with self._client.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hgetall(shared_keys.job(job_id))
                pipe.get(shared_keys.result(job_id))
            answers = pipe.execute() if job_ids else []
        return [
            _ended(job_id, record, outcome, parked_for=self._parked.get(job_id))
            for job_id, record, outcome in zip(job_ids, answers[::2], answers[1::2], strict=True)
        ]


def _ended(job_id: str, record: dict[str, str], outcome: str, *, parked_for: str | None) -> EndedJob:
    status = parse_status(job_id, record)
    return EndedJob(
        job_id,
        status.agent,
        status.submitted_at,
        status.finished_at or status.submitted_at,
        parse_outcome(outcome),
        parked_for,
    )
