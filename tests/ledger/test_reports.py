"""What the books say, on both databases, to the last 10⁻¹² of a dollar."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from pool_client.job import JobState, Priority, Tier
from pool_worker.ledger import reports
from pool_worker.ledger.calls import By
from pool_worker.ledger.database import writing
from pool_worker.ledger.models import publish_models
from pool_worker.ledger.reports import CostRow, FailoverRow
from pool_worker.ledger.rows import AlertRow, AttemptRow, JobRow
from pool_worker.ledger.tables import alerts, jobs
from pool_worker.registry import Model, Provider, Registry

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Book = Callable[[Iterable[AttemptRow]], None]


def attempt(number: int, **facts: Any) -> AttemptRow:
    named: dict[str, Any] = {
        "job_id": "a",
        "agent": "log_analyzer",
        "queue": "free.groq",
        "outcome": "ok",
        "created_at": NOON,
        "model_id": "groq/llama",
        "provider": "groq",
        "key_id": "groq#1",
    }
    return AttemptRow(attempt_id=f"a:{number}", attempt=number, **named | facts)


def test_usage_counts_calls_by_what_came_of_them(engine: Engine, book: Book) -> None:
    book(
        [
            attempt(1, input_tokens=100, output_tokens=20, cost=Decimal("0.1"), response_time_ms=50.0),
            attempt(2, outcome="WindowSpentError", status_code=429, response_time_ms=9_000.0),
            attempt(3, outcome="ModelOverloadedError", status_code=429),
            attempt(4, outcome="ProviderFailedError", status_code=500, input_tokens=7, cost=Decimal("0.2")),
            attempt(5, outcome="moved", key_id=None),
            attempt(6, outcome="paused", key_id=None),
        ]
    )
    (row,) = reports.usage(engine, since=NOON)
    assert (row.group, row.calls, row.successes, row.refusals, row.errors) == ("groq/llama", 4, 1, 2, 1)
    assert (row.input_tokens, row.output_tokens, row.cost_usd) == (107, 20, Decimal("0.3"))
    assert type(row.input_tokens) is int
    assert (row.avg_latency_ms, row.p50_latency_ms, row.p95_latency_ms) == (50.0, 50.0, 50.0), "of successes only"


def test_percentiles_are_the_nearest_ranks(engine: Engine, book: Book) -> None:
    book(attempt(n, response_time_ms=float(n)) for n in range(1, 101))
    (row,) = reports.usage(engine, since=NOON)
    assert (row.avg_latency_ms, row.p50_latency_ms, row.p95_latency_ms, row.p99_latency_ms) == (50.5, 50.0, 95.0, 99.0)


def test_a_group_without_a_success_has_no_latency(engine: Engine, book: Book) -> None:
    book([attempt(1, outcome="BillingError", response_time_ms=5.0)])
    (row,) = reports.usage(engine, since=NOON)
    assert (row.avg_latency_ms, row.p50_latency_ms, row.p95_latency_ms) == (None, None, None)


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        (By.MODEL, ["cerebras/qwen", "groq/llama"]),
        (By.PROVIDER, ["cerebras", "groq"]),
        (By.KEY, ["-", "groq#1"]),
        (By.AGENT, ["log_analyzer", "security_monitor"]),
        (By.DAY, ["2026-11-20", "2026-11-21"]),
    ],
)
def test_usage_groups_by_what_was_asked(engine: Engine, book: Book, by: By, groups: list[str]) -> None:
    other = {"provider": "cerebras", "model_id": "cerebras/qwen", "key_id": None, "agent": "security_monitor"}
    book([attempt(1), attempt(2), attempt(3, created_at=NOON + timedelta(hours=12), **other)])
    rows = reports.usage(engine, since=NOON, by=by)
    assert sorted(row.group for row in rows) == groups
    assert sorted(row.calls for row in rows) == [1, 2]


def test_a_day_begins_at_midnight_in_utc_whatever_zone_a_time_was_given_in(engine: Engine, book: Book) -> None:
    book([attempt(1, created_at=datetime.fromisoformat("2026-11-20T23:59:59-08:00"))])
    assert [row.group for row in reports.usage(engine, since=NOON, by=By.DAY)] == ["2026-11-21"]


def test_usage_is_of_the_time_model_and_agent_asked_for(engine: Engine, book: Book) -> None:
    book([attempt(n, created_at=NOON + timedelta(minutes=n)) for n in range(5)])
    minutes_1_and_2 = {"since": NOON + timedelta(minutes=1), "until": NOON + timedelta(minutes=3)}
    assert [row.calls for row in reports.usage(engine, **minutes_1_and_2)] == [2]
    assert [row.calls for row in reports.usage(engine, since=NOON, only={By.MODEL: "groq/llama", By.AGENT: "log_analyzer"})] == [
        5
    ]
    assert reports.usage(engine, since=NOON, only={By.PROVIDER: "groq", By.MODEL: "groq/other"}) == []
    assert reports.usage(engine, since=NOON, only={By.KEY: "groq#2"}) == []


def test_sums_of_money_are_exact(engine: Engine, book: Book) -> None:
    cost = Decimal("0.100000000001")
    book(attempt(n, cost=cost) for n in range(1000))
    assert reports.spent_since(engine, NOON) == Decimal("100.000000001")
    assert reports.costs(engine, since=NOON) == [CostRow("groq/llama", 1000, Decimal("100.000000001"))]
    assert reports.usage(engine, since=NOON)[0].cost_usd == Decimal("100.000000001")


def test_costs_tell_the_dearest_first(engine: Engine, book: Book) -> None:
    book([attempt(1, cost=Decimal(1)), attempt(2, cost=Decimal(1), agent="b"), attempt(3, cost=Decimal(1), agent="b")])
    assert reports.costs(engine, since=NOON, by=By.AGENT) == [CostRow("b", 2, Decimal(2)), CostRow("log_analyzer", 1, Decimal(1))]


def test_days_are_told_in_their_order(engine: Engine, book: Book) -> None:
    book([attempt(n, cost=Decimal(cost), created_at=NOON + timedelta(days=n)) for n, cost in enumerate((1, 3, 2))])
    assert [row.cost_usd for row in reports.costs(engine, since=NOON, by=By.DAY)] == [1, 3, 2]


def test_calls_in_vain_are_told_by_model_the_most_frequent_reason_first(engine: Engine, book: Book) -> None:
    down = {"outcome": "ProviderOverloadedError", "status_code": 503}
    silent = {"outcome": "ProviderFailedError", "status_code": None}
    other = {"model_id": "cerebras/qwen", "outcome": "AuthenticationFailedError", "status_code": 401}
    calls = [silent, down, down, other, {"created_at": NOON - timedelta(microseconds=1), **down}]
    not_in_vain = [
        *({"outcome": name} for name in ("ok", "moved", "paused")),
        {"outcome": "WindowSpentError", "status_code": 429},
        *({"outcome": name} for name in ("AbandonedError", "CutShortError", "SecretMissingError", "UnsupportedRequestError")),
        {"outcome": "BadRequestError", "status_code": 400},
    ]
    book(attempt(number, **facts) for number, facts in enumerate([*calls, *not_in_vain]))
    assert reports.failovers(engine, since=NOON) == [
        FailoverRow("cerebras/qwen", "AuthenticationFailedError", 401, 1),
        FailoverRow("groq/llama", "ProviderOverloadedError", 503, 2),
        FailoverRow("groq/llama", "ProviderFailedError", None, 1),
    ]


def test_calls_of_models_of_unknown_price_are_told_from_those_that_cost_nothing(engine: Engine, book: Book) -> None:
    unknown = Model("openai/new", "openai", "new", tier=Tier.PAID, price_known=False)
    free = Model("groq/llama", "groq", "llama", tier=Tier.FREE)
    rows = Registry(
        {it: Provider(it, f"https://{it}.example/v1") for it in ("openai", "groq")}, {it.id: it for it in (unknown, free)}
    )
    publish_models(engine, rows, now=NOON)
    used = {"model_id": unknown.id, "input_tokens": 9}
    book(
        [
            attempt(1, **used),
            attempt(2, **used, created_at=NOON - timedelta(seconds=1)),
            attempt(3, **used, cost=Decimal("0.1")),
            attempt(4, model_id=unknown.id, outcome="WindowSpentError", status_code=429),
            attempt(5, input_tokens=9),
            attempt(6, model_id="gone", input_tokens=9),
        ]
    )
    assert reports.unpriced_calls(engine, since=NOON) == 1, "not what is older, had a price then, or was refused"
    assert reports.unpriced_calls(engine, since=NOON - timedelta(seconds=1)) == 2


def test_spending_is_told_since_a_time(engine: Engine, book: Book) -> None:
    book([attempt(1, cost=Decimal(1)), attempt(2, cost=Decimal(2), created_at=NOON + timedelta(hours=1))])
    assert reports.spent_since(engine, NOON) == 3
    assert reports.spent_since(engine, NOON + timedelta(seconds=1)) == 2
    assert reports.spent_since(engine, NOON + timedelta(hours=2)) == 0
    assert reports.spent_since(engine, NOON, until=NOON + timedelta(hours=1)) == 1


def test_the_first_call_and_the_names_in_the_ledger_are_known(engine: Engine, book: Book) -> None:
    assert (reports.first_call(engine), reports.names_of(engine, By.KEY)) == (None, [])
    book([attempt(1), attempt(2, created_at=NOON - timedelta(days=1), key_id="groq#2"), attempt(3, key_id=None), attempt(4)])
    assert (reports.first_call(engine), reports.names_of(engine, By.KEY)) == (NOON - timedelta(days=1), ["groq#1", "groq#2"])


def test_a_job_is_told_with_its_attempts_in_order(engine: Engine, book: Book) -> None:
    first, second = attempt(1, outcome="BillingError", error_message="no credit"), attempt(2, cost=Decimal("0.5"))
    ended = JobRow(
        job_id="a",
        agent="x",
        state=JobState.SUCCEEDED,
        priority=Priority.HIGH,
        tier=Tier.FREE,
        submitted_at=NOON,
        finished_at=NOON,
    )
    book([second, first])
    assert reports.job(engine, "a") == reports.JobReport(None, (first, second))
    with writing(engine) as connection:
        connection.execute(jobs.insert(), ended.to_columns())
    assert reports.job(engine, "a") == reports.JobReport(ended, (first, second))
    assert reports.job(engine, "b") is None


def test_alerts_are_listed_newest_first_and_acknowledged_once(engine: Engine) -> None:
    rows = [
        AlertRow(
            alert_id=str(n),
            severity="warning",
            source="t",
            cause="c",
            title=f"{n}",
            message="",
            created_at=NOON + timedelta(hours=n),
        )
        for n in range(3)
    ]
    with writing(engine) as connection:
        connection.execute(alerts.insert(), [row.to_columns() for row in rows])

    newest, *older = reports.list_alerts(engine)
    assert [alert.title for alert in (newest, *older)] == ["2", "1", "0"]
    assert [alert.title for alert in reports.list_alerts(engine, since=NOON + timedelta(hours=1), limit=1)] == ["2"]

    assert reports.acknowledge(engine, newest.id, at=NOON)
    assert reports.acknowledge(engine, newest.id, at=NOON + timedelta(hours=1))
    assert not reports.acknowledge(engine, 4711, at=NOON)
    assert reports.list_alerts(engine)[0].acknowledged_at == NOON
    assert [alert.title for alert in reports.list_alerts(engine, open_only=True)] == ["1", "0"]
