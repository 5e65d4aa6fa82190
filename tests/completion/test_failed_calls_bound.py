"""A job makes a bounded number of calls in vain, whatever went wrong with each; quotas that were spent are not among them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from small_worker import SmallWorker

from pool_client import FailoverError, JobHandle
from pool_client.job import Failure


def bound(worker: SmallWorker, max_attempts: int) -> None:
    worker.configure(failover=replace(worker.pool.registry.failover, max_attempts=max_attempts))


def everywhere(worker: SmallWorker, kind: str, **facts: Any) -> None:
    for provider in worker.pool.registry.providers:
        worker.simulator.fault(provider, kind, **facts)


def failure_of(job: JobHandle) -> Failure:
    with pytest.raises(FailoverError) as caught:
        job.result(timeout=5)
    assert caught.value.failure is not None
    return caught.value.failure


def test_when_everybody_fails_in_turn_the_job_ends_at_the_bound(worker: SmallWorker) -> None:
    bound(worker, 6)
    everywhere(worker, "down")
    job = worker.submit()
    assert worker.complete() == "parked: every candidate has failed"
    worker.time_passes()
    worker.wake(job)
    worker.complete()
    failure = failure_of(job)
    assert failure.message.startswith(
        "6 calls have failed, and no more are made for one job (max_attempts) (groq-small: Provider"
    )
    assert set(failure.reasons) == {"groq-small", "cerebras-small", "mistral-small", "openai-small"}
    assert worker.requests() == 6
    assert worker.nothing_is_held()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 413},
        {"kind": "status", "status": 402},
        {"kind": "unauthorized"},
        {"kind": "reset"},
        {"kind": "garbage"},
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
def test_every_reason_counts(worker: SmallWorker, fault: dict[str, Any]) -> None:
    bound(worker, 2)
    everywhere(worker, **fault)
    job = worker.submit()
    worker.complete()
    assert failure_of(job).message.startswith("2 calls have failed")
    assert worker.requests() == 2


def test_a_quota_that_was_spent_is_waited_for_as_often_as_it_takes(worker: SmallWorker) -> None:
    bound(worker, 1)
    worker.simulator.fault("groq", "status", status=429)
    job, times = worker.submit(model="groq-small"), 10
    for _ in range(times):
        assert worker.complete().startswith("parked: groq#")
        worker.time_passes()
        worker.enroll()  # its keys are ready again
        worker.wake(job)
    worker.simulator.clear_faults()
    assert worker.complete().startswith("succeeded")
    outcomes = [attempt.outcome for attempt in job.result(timeout=5).attempts]
    assert outcomes == ["WindowSpentError"] * (2 * times) + ["ok"], "each key each time"


def test_a_call_that_was_never_sent_does_not_count(worker: SmallWorker) -> None:
    bound(worker, 1)
    worker.pool.settings = worker.pool.settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})
    worker.pool.secrets = {key: secret for key, secret in worker.pool.secrets.items() if not key.startswith("groq")}
    job = worker.submit()
    assert worker.complete().startswith("succeeded on cerebras-small")
    assert [attempt.outcome for attempt in job.result(timeout=5).attempts] == ["SecretMissingError"] * 2 + ["ok"]
