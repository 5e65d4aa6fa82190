"""Rows: made from the contract, and the same after their way through Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pool_client.job import Attempt, Failure, Job, JobState, Priority, Result, Tier, Usage
from pool_worker.ledger.rows import (
    MAX_TEXT,
    AlertRow,
    AttemptRow,
    EventRow,
    JobRow,
    MalformedRowError,
    Row,
    attempt_row,
    job_row,
    row_from_fields,
    storable,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

steady = settings(derandomize=True, deadline=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
money = st.decimals(0, 1_000_000, places=12)
counts = st.integers(0, 2**53)
attempt_rows = st.builds(
    AttemptRow,
    attempt_id=texts,
    job_id=texts,
    attempt=st.integers(0, 2**31 - 1),
    agent=texts,
    queue=texts,
    outcome=texts,
    created_at=times,
    key_id=st.none() | texts,
    input_tokens=counts,
    output_tokens=counts,
    cost=money,
    response_time_ms=st.floats(0, 1e9),
)
job_rows = st.builds(
    JobRow,
    job_id=texts,
    agent=texts,
    state=st.sampled_from(JobState),
    priority=st.sampled_from(Priority),
    tier=st.sampled_from(Tier),
    submitted_at=times,
    finished_at=st.none() | times,
    cost=money,
)
alert_rows = st.builds(
    AlertRow,
    alert_id=texts,
    severity=st.sampled_from(["info", "warning", "critical"]),
    source=texts,
    cause=texts,
    title=texts,
    message=texts,
    created_at=times,
)
event_rows = st.builds(
    EventRow,
    event_id=texts,
    agent_id=texts,
    event_type=texts,
    created_at=times,
    event_data=st.dictionaries(texts, st.integers(-(2**53), 2**53) | texts | st.none() | st.lists(texts)),
)


@steady
@given(attempt_rows | job_rows | alert_rows | event_rows)
def test_a_row_is_the_same_after_its_way_through_redis(row: Row) -> None:
    entry = row.to_fields()
    assert all(isinstance(text, str) for text in entry.values())
    assert row_from_fields(entry) == row


def test_money_travels_as_text_and_times_with_their_offset(job: Job, make_attempt: Callable[..., Attempt]) -> None:
    attempt = make_attempt(2, cost_usd=Decimal("1.000000123456"))
    entry = attempt_row(job, attempt).to_fields()
    data = json.loads(entry["data"])
    assert entry["kind"] == "attempt"
    assert entry["id"] == attempt.id
    assert data["cost"] == "1.000000123456"
    assert data["created_at"] == "2026-11-20T12:00:02Z"


def test_an_attempt_knows_its_job_and_what_it_used(job: Job, make_attempt: Callable[..., Attempt]) -> None:
    attempt = make_attempt(1, usage=Usage(input_tokens=30, output_tokens=12), latency_ms=81.5, added_ms=2.5, reason="not kept")
    row = attempt_row(job, attempt)
    columns = row.to_columns()
    assert (row.job_id, row.agent, row.task_type) == ("job-1", "log_analyzer", "analysis")
    assert (columns["success"], columns["tokens_used"], columns["response_time_ms"]) == (True, 42, 81.5)
    assert columns["error_message"] is None


def test_a_failed_attempt_keeps_its_reason(job: Job, make_attempt: Callable[..., Attempt]) -> None:
    row = attempt_row(
        job, make_attempt(1, "WindowSpentError", reason="Rate limit\0 reached \ud800" + "!" * MAX_TEXT, status_code=429)
    )
    columns = row.to_columns()
    assert (columns["success"], columns["outcome"], columns["status_code"]) == (False, "WindowSpentError", 429)
    assert row.error_message is not None
    assert row.error_message.startswith("Rate limit\ufffd reached ?!")
    assert len(row.error_message) == MAX_TEXT


def test_a_finished_job_sums_its_attempts(job: Job, make_attempt: Callable[..., Attempt]) -> None:
    attempts = [
        make_attempt(1, "ProviderFailedError", cost_usd=Decimal("0.1"), usage=Usage(input_tokens=10)),
        make_attempt(2, "moved"),
        make_attempt(3, cost_usd=Decimal("0.2"), usage=Usage(input_tokens=10, output_tokens=5), provider="cerebras"),
    ]
    result = Result(job_id=job.id, content="Because.", model_id="cerebras/llama", provider="cerebras", attempts=attempts)
    row = job_row(job, result, finished_at=NOON + timedelta(seconds=4))
    assert (row.state, row.model_id, row.provider) == (JobState.SUCCEEDED, "cerebras/llama", "cerebras")
    assert (row.attempts, row.hops, row.cost) == (2, 1, Decimal("0.3"))
    assert (row.input_tokens, row.output_tokens, row.latency_ms) == (20, 5, 4000.0)
    assert "Because." not in row.to_fields()["data"]


@pytest.mark.parametrize(("error_type", "state"), [("FailoverError", JobState.FAILED), ("JobCancelledError", JobState.CANCELLED)])
def test_a_failed_job_says_why(job: Job, make_attempt: Callable[..., Attempt], error_type: str, state: JobState) -> None:
    failure = Failure(job_id=job.id, type=error_type, message="nobody left", attempts=[make_attempt(1, "BillingError")], at=NOON)
    row = job_row(job, failure, finished_at=NOON)
    assert (row.state, row.error_type, row.error_message) == (state, error_type, "nobody left")
    assert (row.provider, row.attempts) == ("groq", 1)


def test_a_job_that_never_reached_a_provider_has_none(job: Job) -> None:
    failure = Failure(job_id=job.id, type="ModelUnavailableError", message="none fits", at=NOON)
    row = job_row(job, failure, finished_at=NOON - timedelta(seconds=1))
    assert (row.provider, row.model_id, row.attempts, row.cost) == (None, None, 0, 0)
    assert row.latency_ms == 0, "clocks of two machines may differ; time does not run backwards in the books"


def _entry(**changes: object) -> dict[str, str]:
    row = AttemptRow(attempt_id="a:1", job_id="a", attempt=1, agent="x", queue="free", outcome="ok", created_at=NOON)
    data = json.loads(row.to_fields()["data"]) | changes
    return {"kind": "attempt", "id": str(data["attempt_id"]), "data": json.dumps(data)}


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({}, "kind: missing"),
        ({"kind": "attempt", "id": "a:1"}, "data: missing"),
        (_entry() | {"kind": "poem"}, "kind: 'poem' is none of attempt, job, alert, delivery, event"),
        (_entry() | {"id": "b:1"}, "id: 'b:1' is not data.attempt_id"),
        (_entry() | {"data": "{"}, "data: Invalid JSON"),
        (_entry() | {"data": "[]"}, "data: "),
        (_entry(cost="NaN"), "data.cost: "),
        (_entry(cost="-1"), "data.cost: "),
        (_entry(cost="1000001"), "data.cost: "),
        (_entry(input_tokens=2**64), "data.input_tokens: "),
        (_entry(status_code=10**10), "data.status_code: "),
        (_entry(created_at="2026-11-20T12:00:00"), "data.created_at: Input should have timezone info"),
        (_entry(created_at="yesterday"), "data.created_at: "),
    ],
)
def test_what_is_not_a_row_is_refused_by_field(entry: dict[str, str], says: str) -> None:
    with pytest.raises(MalformedRowError) as caught:
        row_from_fields(entry)
    assert str(caught.value).startswith(says)


def test_a_field_of_a_later_release_is_ignored() -> None:
    assert row_from_fields(_entry(mood="fine")) == row_from_fields(_entry())


def test_times_of_any_zone_are_the_same_instant() -> None:
    row = row_from_fields(_entry(created_at=NOON.astimezone(timezone(timedelta(hours=9))).isoformat()))
    assert isinstance(row, AttemptRow)
    assert row.created_at == NOON


@steady
@given(st.text(max_size=50))
def test_any_text_becomes_storable(text: str) -> None:
    assert "\0" not in storable(text)
    storable(text).encode()
