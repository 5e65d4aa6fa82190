from __future__ import annotations

import asyncio
import inspect

import pytest

from pool_client import (
    Failure,
    InvalidRequestError,
    Job,
    JobCancelledError,
    JobState,
    JobTimeoutError,
    Pool,
    PoolUnavailableError,
    Progress,
    RateLimitError,
    Result,
)
from pool_client.options import AgentDefaults
from pool_client.testing import InMemoryPool


def test_it_offers_what_the_real_one_offers() -> None:
    real = {name for name in dir(Pool) if not name.startswith("_")}
    assert real <= set(dir(InMemoryPool))
    for name in real:
        assert inspect.signature(getattr(InMemoryPool, name)).parameters == inspect.signature(getattr(Pool, name)).parameters


def test_answers_by_default_with_the_prompt() -> None:
    with InMemoryPool() as pool:
        assert pool.submit("hello").result().content == "hello"


def test_answers_from_a_list() -> None:
    result = Result(job_id="", content="b", model_id="m", provider="p")
    pool = InMemoryPool(["a", result, RateLimitError("spent")])
    first, second, third = pool.submit_many(["1", "2", "3"])
    assert first.result().content == "a"
    assert second.result() == result.model_copy(update={"job_id": second.id})
    with pytest.raises(RateLimitError, match="spent") as caught:
        third.result()
    assert isinstance(caught.value.failure, Failure)
    with pytest.raises(LookupError, match=r"no answer left for job .*: '4'"):
        pool.submit("4")


def test_answers_from_a_function_that_may_raise() -> None:
    def answer(job: Job) -> str:
        if job.priority == "low":
            raise RateLimitError
        return job.agent

    pool = InMemoryPool(answer, agent="db")
    assert pool.submit("x").result().content == "db"
    with pytest.raises(RateLimitError):
        pool.submit("x", priority="low").result()


def test_it_records_jobs_with_the_agent_s_defaults() -> None:
    pool = InMemoryPool(defaults=AgentDefaults(max_tokens=9))
    pool.submit("x", task_type="analysis")
    (job,) = pool.jobs
    assert (job.max_tokens, job.task_type) == (9, "analysis")


def test_idempotency_keys() -> None:
    pool = InMemoryPool()
    assert pool.submit("x", idempotency_key="k").id == pool.submit("x", idempotency_key="k").id
    assert len(pool.jobs) == 1


def test_paused_it_can_be_waited_for_and_cancelled() -> None:
    pool = InMemoryPool(paused=True)
    job, other = pool.submit_many(["x", "y"])
    assert job.status().state is JobState.QUEUED
    for timeout in (0, 0.01):
        with pytest.raises(JobTimeoutError):
            job.result(timeout)
    assert other.cancel() is JobState.CANCELLED
    pool.run()
    assert job.done()
    assert job.result().content == "x"
    with pytest.raises(JobCancelledError):
        other.result()
    assert job.cancel() is JobState.SUCCEEDED


def test_jobs_can_be_awaited() -> None:
    async def scenario() -> str:
        pool = InMemoryPool(paused=True)
        job = pool.submit("x")
        waiting = asyncio.ensure_future(job._awaited())
        await asyncio.sleep(0)
        pool.run()
        return (await waiting).content

    assert asyncio.run(scenario()) == "x"


def test_it_is_as_strict_as_the_real_one() -> None:
    pool = InMemoryPool(paused=True)
    with pytest.raises(InvalidRequestError, match="did you mean max_tokens"):
        pool.submit("x", max_token=5)
    with pytest.raises(InvalidRequestError, match="put only what JSON can say into it"):
        pool.submit("x", metadata={"x": object()})
    for ask in (pool.job("nobody").result, pool.job("nobody").status, pool.job("nobody").cancel):
        with pytest.raises(InvalidRequestError, match="is not known"):
            ask()
    future = pool.outcome(pool.submit("x").id)
    pool.close()
    with pytest.raises(PoolUnavailableError):
        future.result(1)


def test_a_batch() -> None:
    pool = InMemoryPool(["yes", RateLimitError("spent")], paused=True)
    jobs = pool.submit_many(["a", "b", "c"], batch="b1")
    jobs[2].cancel()
    assert pool.progress("b1") == Progress(jobs=3, cancelled=1)
    pool.run()
    assert pool.progress("b1") == Progress(jobs=3, succeeded=1, failed=1, cancelled=1)
    assert pool.progress("b1").is_done
    with pytest.raises(InvalidRequestError, match="'b2' is not known"):
        pool.progress("b2")
