from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import celery
import pytest
from celery.result import AsyncResult
from hypothesis import given
from hypothesis import strategies as st
from stand_in_worker import StandInWorker

from pool_client import ConfigurationError, Failure, JobCancelledError, Pool, RateLimitError, Result, Usage
from pool_client.outcome import parse_outcome, render_outcome

AT = datetime(2025, 6, 1, 12, tzinfo=UTC)

results = st.builds(
    Result,
    job_id=st.just("j"),
    content=st.text(),
    model_id=st.just("m"),
    provider=st.just("groq"),
    cost_usd=st.decimals(min_value=0, max_value=100, places=8),
    usage=st.builds(Usage, input_tokens=st.integers(0, 10**9)),
    cached=st.booleans(),
)
failures = st.builds(
    Failure,
    job_id=st.just("j"),
    type=st.sampled_from(["RateLimitError", "JobCancelledError", "DeadlineExceededError"]),
    message=st.text(),
    reasons=st.dictionaries(st.text(), st.text()),
    retry_after_s=st.none() | st.floats(0, 1e6),
    at=st.just(AT),
)


@given(outcome=results | failures)
def test_what_is_stored_is_read_back(outcome: Result | Failure) -> None:
    assert parse_outcome(render_outcome(outcome, at=AT)) == outcome


def test_a_result_in_celery_s_own_fields() -> None:
    result = Result(job_id="j", content="hi", model_id="m", provider="groq", cost_usd=Decimal("0.0001"))
    stored = json.loads(render_outcome(result, at=AT))
    body = stored.pop("result")
    assert stored == {"status": "SUCCESS", "traceback": None, "children": [], "date_done": "2025-06-01T12:00:00Z", "task_id": "j"}
    assert (body["content"], body["cost_usd"]) == ("hi", "0.0001")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "not json", '{"status": "SUCCESS", "result": {"from": "a later release"}}']
)
def test_what_cannot_be_read_says_what_to_do(text: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot read a stored outcome"):
        parse_outcome(text)


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [("REVOKED", "TaskRevokedError", "JobCancelledError"), ("FAILURE", "WorkerLostError", "WorkerLostError")],
)
def test_what_celery_itself_stored_is_a_failure(status: str, kind: str, expected: str) -> None:
    body = {"exc_type": kind, "exc_message": ["gone"], "exc_module": "celery.exceptions"}
    text = json.dumps({"status": status, "result": body, "date_done": AT.isoformat(), "task_id": "j"})
    assert parse_outcome(text) == Failure(job_id="j", type=expected, message="gone", at=AT)


class TestAsyncResult:
    """Celery users see the outcome through Celery's own class."""

    @pytest.fixture
    def app(self, redis_url: str) -> Iterator[celery.Celery]:
        app = celery.Celery(backend=redis_url, set_as_current=False)
        yield app
        app.backend.result_consumer.stop()
        app.close()

    def test_a_result_is_a_dict(self, app: celery.Celery, pool: Pool, worker: StandInWorker) -> None:
        job = pool.submit("x")
        waiting = AsyncResult(job.id, app=app)
        assert waiting.state == "PENDING"
        result = worker.answer(worker.take())
        assert waiting.get(timeout=5) == result.model_dump(mode="json")
        assert waiting.date_done is not None

    def test_a_failure_raises_our_exception(self, app: celery.Celery, pool: Pool, worker: StandInWorker) -> None:
        job = pool.submit("x")
        worker.fail(worker.take(), RateLimitError("all 32 keys are spent"))
        with pytest.raises(RateLimitError, match="all 32 keys are spent"):
            AsyncResult(job.id, app=app).get(timeout=5)

    def test_a_cancelled_job_raises_ours_too(self, app: celery.Celery, pool: Pool) -> None:
        job = pool.submit("x")
        job.cancel()
        waiting = AsyncResult(job.id, app=app)
        with pytest.raises(JobCancelledError):
            waiting.get(timeout=5)
        assert waiting.state == "REVOKED"
