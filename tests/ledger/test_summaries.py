"""The daily summary, and the table of models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from attempts import attempt_at
from sqlalchemy import Engine, Table

from pool_client.job import Tier
from pool_worker.ledger import reports
from pool_worker.ledger.models import publish_models
from pool_worker.ledger.rows import AttemptRow
from pool_worker.ledger.summaries import summarize_day, summarize_recent
from pool_worker.ledger.tables import daily_usage_summary, models
from pool_worker.registry import Model, Period, Price, Provider, Registry, Unit, Window, WindowKind

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Book = Callable[[Iterable[AttemptRow]], None]
Read = Callable[[Table], list[Any]]


def attempt(number: int, outcome: str = "ok", *, at: datetime = NOON, model: str | None = "m", ms: float = 10.0) -> AttemptRow:
    return attempt_at(at, number, outcome, model_id=model, cost=Decimal("0.000000000001"), response_time_ms=ms)


def test_a_day_is_summed_per_model_and_again_gives_the_same(engine: Engine, book: Book, read: Read) -> None:
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    book(
        [
            attempt(1, at=midnight, ms=10.0),
            attempt(2, ms=30.0),
            attempt(3, "ProviderFailedError", ms=5_000.0),
            attempt(4, "WindowSpentError"),
            attempt(5, "moved"),
            attempt(6, "moved", model=None),
            attempt(7, model="other"),
            attempt(8, at=midnight - timedelta(microseconds=1)),
            attempt(9, at=midnight + timedelta(days=1)),
        ]
    )
    assert summarize_day(engine, DAY) == 2
    assert summarize_day(engine, DAY) == 2
    first, other = read(daily_usage_summary)
    assert tuple(first) == (DAY, "m", 4, 16, Decimal("0.000000000004"), 0.5, 20.0, 10.0, 30.0, 30.0, 12, 4, 1)
    assert tuple(other) == (DAY, "other", 1, 4, Decimal("0.000000000001"), 1.0, 10.0, 10.0, 10.0, 10.0, 3, 1, 0)


def test_its_percentiles_are_those_of_the_reports(engine: Engine, book: Book, read: Read) -> None:
    book(attempt(n, ms=float(n)) for n in range(1, 1001))
    summarize_day(engine, DAY)
    (summary,) = read(daily_usage_summary)
    latencies = (summary.p50_response_time_ms, summary.p95_response_time_ms, summary.p99_response_time_ms)
    assert latencies == (500.0, 950.0, 990.0)
    (usage,) = reports.usage(engine, since=NOON)
    assert latencies == (usage.p50_latency_ms, usage.p95_latency_ms, usage.p99_latency_ms)


def test_late_attempts_are_in_the_next_summary(engine: Engine, book: Book, read: Read) -> None:
    book([attempt(1, "BillingError")])
    summarize_day(engine, DAY)
    assert read(daily_usage_summary)[0].avg_response_time_ms is None
    book([attempt(2, ms=7.0)])
    assert summarize_day(engine, DAY, anew=False) == 0
    assert read(daily_usage_summary)[0].total_requests == 1, "as it was"
    summarize_recent(engine, now=NOON + timedelta(days=1))
    (summary,) = read(daily_usage_summary)
    assert (summary.total_requests, summary.success_rate, summary.avg_response_time_ms) == (2, 0.5, 7.0)


def _registry(*chosen: Model) -> Registry:
    limits = (
        Window(Unit.REQUESTS, 30, Period.MINUTE, WindowKind.SLIDING),
        Window(Unit.TOKENS, 8_000, Period.MINUTE, WindowKind.REFILL),
        Window(Unit.REQUESTS, 1_000, Period.DAY, WindowKind.FIXED),
    )
    provider = Provider("groq", "http://127.0.0.1/v1", limits=limits)
    return Registry(providers={"groq": provider}, models={model.id: model for model in chosen})


LLAMA = Model(
    "groq/llama",
    "groq",
    "llama-3.3",
    tier=Tier.FREE,
    capabilities=frozenset({"chat", "analysis"}),
    price=Price(Decimal("0.59"), Decimal("0.79")),
    context_window=131_072,
    metadata={"family": "llama"},
)


def test_the_models_of_the_registry_become_a_table(engine: Engine, read: Read) -> None:
    assert publish_models(engine, _registry(LLAMA), now=NOON) == 1
    (row,) = read(models)
    assert (row.model_id, row.provider, row.model_name, row.tier) == ("groq/llama", "groq", "llama-3.3", "free")
    assert (row.cost_per_1k_input_tokens, row.cost_per_1k_output_tokens) == (Decimal("0.00059"), Decimal("0.00079"))
    assert row.cost_per_1k_tokens == Decimal("0.00069")
    assert (row.rpm_limit, row.tpm_limit, row.rpd_limit, row.tpd_limit) == (30, 8_000, 1_000, None)
    assert (row.capabilities, row.metadata, row.is_active) == (["analysis", "chat"], {"family": "llama"}, True)


def test_publishing_again_updates_and_what_is_gone_becomes_inactive(engine: Engine, read: Read) -> None:
    later = NOON + timedelta(hours=1)
    free = replace(LLAMA, id="groq/free", price=Price(), price_known=False)
    publish_models(engine, _registry(LLAMA, free), now=NOON)
    publish_models(engine, _registry(replace(LLAMA, priority=7)), now=later)
    llama, gone = read(models)
    assert (llama.priority, llama.is_active, llama.created_at, llama.updated_at) == (7, True, NOON, later)
    assert (gone.model_id, gone.is_active, gone.cost_per_1k_tokens) == ("groq/free", False, None)
    publish_models(engine, _registry(), now=later)
    assert [row.is_active for row in read(models)] == [False, False]
