"""Page 5: cancelling a job.

`cancel` says what is true now: `cancelled` if the job will not run, `running` if its worker was told to stop, else how it ended.
"""

from __future__ import annotations

import pytest

from pool_client import JobCancelledError, JobState, Pool


def test_cancel_a_job_that_waits() -> None:
    """No quota is spent on it, and whoever waits for it is told."""
    with Pool(agent="database_manager") as pool:
        job = pool.submit("Suggest an index")
        assert job.cancel() is JobState.CANCELLED
        with pytest.raises(JobCancelledError):
            job.result(timeout=60)


@pytest.mark.usefixtures("workers")
def test_too_late() -> None:
    """What has ended stays as it is."""
    with Pool(agent="database_manager") as pool:
        job = pool.submit("Suggest an index")
        job.result(timeout=60)
        assert job.cancel() is JobState.SUCCEEDED
