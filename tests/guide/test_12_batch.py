"""Page 12: how far a batch is.

Many jobs under one name are counted as they are accepted and as they end, by the workers and in the same steps.
"""

from __future__ import annotations

import pytest
from small_worker import SmallWorker

from pool_client import InvalidRequestError, Pool, Progress


def test_jobs_of_one_batch_are_counted_together(small_pool: SmallWorker) -> None:
    """Who was cancelled has ended, too."""
    with Pool(agent="log_analyzer") as pool:
        first, *_ = pool.submit_many(["one", "two", "three"], batch="report-7")
        first.cancel()
        assert pool.progress("report-7") == Progress(jobs=3, cancelled=1)

        for _ in range(3):
            small_pool.complete()  # what the workers do by themselves
        progress = pool.progress("report-7")
        assert progress == Progress(jobs=3, succeeded=2, cancelled=1)
        assert progress.is_done


@pytest.mark.usefixtures("small_pool")
def test_a_job_that_is_submitted_again_is_not_counted_again() -> None:
    """So it is safe to submit a whole batch again after an interruption, or to let it grow."""
    lines = [{"prompt": f"line {number}", "idempotency_key": f"line {number}"} for number in range(3)]
    with Pool(agent="log_analyzer") as pool:
        pool.submit_many(lines[:2], batch="report-7")
        pool.submit_many(lines, batch="report-7")
        assert pool.progress("report-7") == Progress(jobs=3)


@pytest.mark.usefixtures("small_pool")
def test_a_batch_that_nobody_knows() -> None:
    """The name may be misspelt."""
    with Pool(agent="log_analyzer") as pool, pytest.raises(InvalidRequestError, match="'report-8' is not known"):
        pool.progress("report-8")
