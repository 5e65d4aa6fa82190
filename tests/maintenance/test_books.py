"""What waits in the outbox is written into the ledger, and the days are summed up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from small_worker import SmallWorker
from sqlalchemy import select

from pool_worker import redis_keys
from pool_worker.ledger import reports, tables
from pool_worker.ledger.calls import By
from pool_worker.ledger.reports import usage
from pool_worker.ledger.rows import AlertRow
from pool_worker.maintenance.books import DRAIN_AT_ONCE, summarise_days, write_ledger

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_attempts_jobs_and_alerts_reach_their_tables(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "unauthorized", key="groq#1")
    job = worker.submit(max_tokens=30)
    worker.complete()
    assert worker.run(write_ledger(worker.pool)) == 4
    assert worker.redis.xlen(redis_keys.OUTBOX) == 0
    assert worker.run(write_ledger(worker.pool)) == 0

    engine = worker.pool.books.engine
    report = reports.job(engine, job.id)
    assert report is not None
    assert report.job is not None
    assert (report.job.state, report.job.attempts) == ("succeeded", 2)
    assert [(row.attempt, row.outcome) for row in report.attempts] == [(1, "AuthenticationFailedError"), (2, "ok")]
    assert [alert.source for alert in reports.list_alerts(engine)] == ["health"]


def test_one_tick_empties_a_long_outbox_in_batches(worker: SmallWorker) -> None:
    rows = DRAIN_AT_ONCE + 5
    with worker.redis.pipeline() as pipeline:
        for number in range(rows):
            facts = {"severity": "info", "source": "test", "cause": "x", "title": "x", "message": "x", "created_at": LONG_AGO}
            pipeline.xadd(redis_keys.OUTBOX, AlertRow(alert_id=f"alert-{number}", **facts).to_fields())
        pipeline.execute()
    assert worker.run(write_ledger(worker.pool)) == rows
    assert len(reports.list_alerts(worker.pool.books.engine, limit=rows + 1)) == rows


def test_the_days_are_summed_up_as_often_as_one_likes(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "status", status=500, count=1)
    for _ in range(3):
        worker.submit(max_tokens=30)
        worker.complete()
        worker.time_passes()
    worker.run(write_ledger(worker.pool))
    assert worker.run(summarise_days(worker.pool)) == worker.run(summarise_days(worker.pool)) == 2

    summary = tables.daily_usage_summary
    with worker.pool.books.engine.connect() as connection:
        days = {row.model_id: row for row in connection.execute(select(summary))}
    assert {name: day.total_requests for name, day in days.items()} == {"groq-small": 3, "cerebras-small": 1}
    assert days["groq-small"].success_rate == pytest.approx(2 / 3)
    by_model = {row.group: row for row in usage(worker.pool.books.engine, since=LONG_AGO, by=By.MODEL)}
    assert {name: day.total_tokens for name, day in days.items()} == {
        name: row.input_tokens + row.output_tokens for name, row in by_model.items()
    }
