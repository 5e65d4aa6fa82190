"""A model that does worse than it used to is told of once, and again when it does as usual; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from booked_calls import book
from small_worker import SmallWorker
from sqlalchemy import Engine

from pool_worker.ledger.rows import AlertRow
from pool_worker.ledger.summaries import summarize_day
from pool_worker.ledger.track_record import TrackRecord, of_days
from pool_worker.maintenance.books import write_ledger
from pool_worker.maintenance.degradation import Trend, check_degradation, compare

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
USUAL = TrackRecord(answered=950, in_vain=50, p95_ms=1000.0)


@pytest.mark.parametrize(
    ("answered", "in_vain", "p95_ms", "trend"),
    [
        (19, 1, 1000.0, Trend.AS_USUAL),
        (15, 5, 1000.0, Trend.WORSE),
        (151, 49, 1000.0, Trend.UNKNOWN),
        (86, 14, 1000.0, Trend.AS_USUAL),
        (0, 20, None, Trend.WORSE),
        (0, 19, None, Trend.UNKNOWN),
        (100, 0, 2000.0, Trend.UNKNOWN),
        (100, 0, 2001.0, Trend.WORSE),
        (100, 0, 1500.0, Trend.AS_USUAL),
        (19, 1, 9000.0, Trend.AS_USUAL),
    ],
)
def test_a_model_is_measured_by_itself(answered: int, in_vain: int, p95_ms: float | None, trend: Trend) -> None:
    assert compare(TrackRecord(answered, in_vain, p95_ms), USUAL).trend is trend


def test_without_enough_calls_nobody_knows() -> None:
    now = TrackRecord(0, 100, None)
    assert compare(now, USUAL).trend is Trend.WORSE
    for usual in (None, TrackRecord(99, 0, 1000.0)):
        assert compare(now, usual).trend is Trend.UNKNOWN
    assert compare(None, USUAL).trend is Trend.UNKNOWN


def test_it_says_why() -> None:
    why = compare(TrackRecord(20, 30, 5432.1), USUAL).why
    assert why == "40% of 50 calls were answered, usually 95%; its p95 is 5,432 ms, usually 1,000 ms"


@pytest.fixture
def aged(worker: SmallWorker, engine: Engine) -> SmallWorker:
    """Its ledger is in one database and then in the other; it is noon."""
    worker.pool.books = replace(worker.pool.books, engine=engine)
    worker.pool.now = lambda: NOON
    return worker


def told(worker: SmallWorker) -> list[str]:
    """What a tick tells people."""
    worker.run(write_ledger(worker.pool))
    worker.run(check_degradation(worker.pool))
    return [f"{row.severity}: {row.title}" for row in worker.rows(AlertRow)]


def a_usual_week(worker: SmallWorker) -> None:
    for days in range(1, 8):
        at = NOON - timedelta(days=days)
        book(worker.pool.books.engine, at, 20)
        book(worker.pool.books.engine, at, 1, outcome="ProviderFailedError")
        book(worker.pool.books.engine, at, 30, outcome="WindowSpentError")
        summarize_day(worker.pool.books.engine, at.date())
    book(worker.pool.books.engine, NOON - timedelta(days=8), 500, ms=9_000.0)
    summarize_day(worker.pool.books.engine, (NOON - timedelta(days=8)).date())


def test_the_week_before_is_read_from_its_summaries(aged: SmallWorker) -> None:
    a_usual_week(aged)
    book(aged.pool.books.engine, NOON - timedelta(days=1), 60, ms=400.0)
    summarize_day(aged.pool.books.engine, (NOON - timedelta(days=1)).date())
    yesterday = NOON.date() - timedelta(days=1)
    (record,) = of_days(aged.pool.books.engine, NOON.date() - timedelta(days=7), yesterday).values()
    assert (record.answered, record.in_vain) == (200, 7)
    assert record.p95_ms == pytest.approx((6 * 20 * 100 + 80 * 400) / 200)


def test_failing_more_than_usual_is_told_until_it_is_over(aged: SmallWorker) -> None:
    a_usual_week(aged)
    book(aged.pool.books.engine, NOON - timedelta(minutes=50), 30)
    assert told(aged) == []
    book(aged.pool.books.engine, NOON - timedelta(minutes=10), 20, outcome="ProviderOverloadedError")
    assert told(aged) == ["warning: groq-small does worse than usual"]
    assert told(aged) == [], "once"
    aged.pool.now = lambda: NOON + timedelta(minutes=55)
    assert told(aged) == [], "too few calls to say"
    book(aged.pool.books.engine, NOON + timedelta(minutes=52), 40)
    aged.pool.now = lambda: NOON + timedelta(minutes=56)
    assert told(aged) == ["info: groq-small does as usual again"]


def test_spent_quotas_are_no_degradation_and_slow_answers_are(aged: SmallWorker) -> None:
    a_usual_week(aged)
    book(aged.pool.books.engine, NOON - timedelta(minutes=10), 200, outcome="WindowSpentError")
    book(aged.pool.books.engine, NOON - timedelta(minutes=10), 20)
    assert told(aged) == []
    book(aged.pool.books.engine, NOON - timedelta(minutes=9), 20, ms=201.0)
    aged.run(check_degradation(aged.pool))
    (alert,) = aged.rows(AlertRow)
    assert alert.message.startswith("Within the last hour: its p95 is 201 ms, usually 100 ms (the 7 days before). ")
