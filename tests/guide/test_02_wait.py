"""Page 2: waiting for a result, and what may come instead of one.

A job outlives your patience: when a wait ends, the job goes on, and you may come back for it.
"""

from __future__ import annotations

import pytest

from pool_client import JobTimeoutError, Pool, PoolError, RateLimitError


def test_the_wait_ends_the_job_goes_on() -> None:
    """Nobody works here yet, so the answer cannot come in time."""
    with Pool(agent="backup_recovery") as pool:
        job = pool.submit("Is the backup of last night complete?")
        with pytest.raises(JobTimeoutError):
            job.result(timeout=0.1)

        assert job.status().state == "queued"


@pytest.mark.usefixtures("workers")
def test_come_back_later() -> None:
    """A job is known by its id: keep it, and ask for the result from another process, for 24 hours after the job's end."""
    with Pool(agent="backup_recovery") as pool:
        job_id = pool.submit("Is the backup of last night complete?").id

    with Pool(agent="backup_recovery") as pool:
        answer = pool.job(job_id).result(timeout=60)

    assert answer.content == "You said: Is the backup of last night complete?"


@pytest.mark.usefixtures("workers")
def test_a_failure_says_what_happened() -> None:
    """A job that could not be done raises; `failure` holds the details, `retryable` whether it is worth another try."""
    with Pool(agent="backup_recovery") as pool:
        job = pool.submit("spent", on_exhausted="fail")
        try:
            job.result(timeout=60)
        except RateLimitError as error:
            caught = error

    assert caught.retryable
    assert caught.failure is not None
    assert caught.failure.reasons == {"m": "429"}
    assert isinstance(caught, PoolError), "the root of everything that this package raises"


@pytest.mark.usefixtures("workers")
def test_a_deadline_is_for_the_job_a_timeout_for_you() -> None:
    """After `deadline_s` the answer is of no use: the pool will not spend quota on it. `timeout` only ends your own wait."""
    with Pool(agent="backup_recovery") as pool:
        job = pool.submit("Quick!", deadline_s=30)
        assert job.result(timeout=60).content == "You said: Quick!"
