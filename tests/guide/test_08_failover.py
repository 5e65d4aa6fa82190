"""Page 8: when a provider fails, or every quota is spent.

You do nothing: the pool asks the next key, the next provider, the next tier. The answer tells what happened on the way. Here the
providers are simulated, and the worker takes its turn when the page says so: `small_pool.complete()`.
"""

from __future__ import annotations

import pytest
from small_worker import SmallWorker

from pool_client import Pool, RateLimitError


def test_the_next_provider_answers(small_pool: SmallWorker) -> None:
    """`attempts` is the trail of a job: every call with its reason, and the milliseconds that the detour added."""
    small_pool.simulator.fault("groq", "down")
    with Pool(agent="log_analyzer") as pool:
        job = pool.submit("Why did this fail?")
        small_pool.complete()
        answer = job.result(timeout=60)

    failed, answered = answer.attempts
    assert (failed.provider, failed.outcome) == ("groq", "ProviderOverloadedError")
    assert failed.reason == "groq answered 503: Service Unavailable"
    assert (answered.provider, answered.outcome) == ("cerebras", "ok")
    assert answered.added_ms < 1000


def test_whoever_failed_is_left_alone_for_a_while(small_pool: SmallWorker) -> None:
    """So one sick provider costs the pool a few calls, and not one for each job."""
    small_pool.simulator.fault("groq", "down")
    with Pool(agent="log_analyzer") as pool:
        jobs = pool.submit_many(["first", "second", "third"])
        for _ in jobs:
            small_pool.complete()
        assert [len(job.result(timeout=60).attempts) for job in jobs] == [2, 1, 1]


def test_a_job_waits_when_every_quota_is_spent(small_pool: SmallWorker) -> None:
    """It waits durably, until the time at which the first quota returns; `status` says which one that is."""
    small_pool.simulator.fault("groq", "status", status=429, retry_after_s=30)
    with Pool(agent="log_analyzer") as pool:
        job = pool.submit("Why did this fail?", model="groq-small")
        small_pool.complete()
        status = job.status()

    assert status.state == "parked"
    assert status.waits_until is not None
    assert status.wait_reason == "groq#1: WindowSpentError: groq answered 429: Rate limit reached."


def test_a_job_that_does_not_want_to_wait(small_pool: SmallWorker) -> None:
    """It ends at once, and says when to come back."""
    small_pool.simulator.fault("groq", "status", status=429, retry_after_s=30)
    with Pool(agent="log_analyzer") as pool:
        job = pool.submit("Why did this fail?", model="groq-small", on_exhausted="fail")
        small_pool.complete()
        with pytest.raises(RateLimitError) as caught:
            job.result(timeout=60)

    assert caught.value.failure is not None
    assert caught.value.failure.retry_after_s == pytest.approx(30, abs=2)
