"""Page 7: testing your own program without Redis, workers or keys.

Write your code so that it is handed its pool; hand it an `InMemoryPool` in tests. It checks jobs exactly as the real pool does.
"""

from __future__ import annotations

import pytest

from pool_client import BasePool, JobCancelledError, RateLimitError
from pool_client.testing import InMemoryPool


def triage(pool: BasePool, line: str) -> str:
    """The program under test: asks a model, and knows what to do without one."""
    try:
        return pool.submit(f"Is this line urgent? {line}", priority="high").result(timeout=60).content
    except RateLimitError:
        return "unknown"


def test_with_an_answer() -> None:
    """Answers come from a list, or from a function of the job; `jobs` has everything that was submitted."""
    pool = InMemoryPool(["yes"])

    assert triage(pool, "disk full") == "yes"
    assert pool.jobs[0].messages[0].content == "Is this line urgent? disk full"
    assert pool.jobs[0].priority == "high"


def test_with_an_error() -> None:
    """An exception in place of an answer is what the caller gets."""
    assert triage(InMemoryPool([RateLimitError()]), "disk full") == "unknown"


def test_with_time_standing_still() -> None:
    """A paused pool keeps its jobs queued until `run`: for tests of waiting and cancelling."""
    pool = InMemoryPool(paused=True)
    job, other = pool.submit("x"), pool.submit("y")
    other.cancel()
    pool.run()

    assert job.result().content == "x"
    with pytest.raises(JobCancelledError):
        other.result()
