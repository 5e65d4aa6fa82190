"""The ledger is pruned once a day, however often beat asks; metrics are booked whenever it asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from small_worker import SmallWorker
from sqlalchemy import select

from pool_client import redis_keys as shared_keys
from pool_worker import redis_keys
from pool_worker.ledger.database import open_database, writing
from pool_worker.ledger.rows import AlertRow, AttemptRow
from pool_worker.ledger.tables import daily_usage_summary, system_metrics, usage_logs
from pool_worker.maintenance.metrics import measure_system
from pool_worker.maintenance.pruning import prune_ledger
from pool_worker.registry import Agent, PoolRules, Retention


def book(worker: SmallWorker, *times: datetime) -> None:
    facts = {"job_id": "a", "attempt": 1, "agent": "x", "queue": "free", "outcome": "ok", "model_id": "groq-small"}
    with writing(worker.pool.books.engine) as connection:
        rows = [AttemptRow(attempt_id=f"{at}", created_at=at, **facts).to_columns() for at in times]
        connection.execute(usage_logs.insert(), rows)


def test_it_is_done_once_a_day(worker: SmallWorker) -> None:
    now = worker.pool.now()
    worker.configure(rules=PoolRules(retention=Retention(attempts_days=5)))
    book(worker, now - timedelta(days=7))
    assert worker.run(prune_ledger(worker.pool)) == 1
    book(worker, now - timedelta(days=8))
    assert worker.run(prune_ledger(worker.pool)) == 0, "it was done today"
    worker.pool.now = lambda: now + timedelta(days=1)
    assert worker.run(prune_ledger(worker.pool)) == 1


def test_rows_that_came_late_are_summed_up(worker: SmallWorker) -> None:
    late = worker.pool.now() - timedelta(days=4)
    book(worker, late)
    worker.run(prune_ledger(worker.pool))
    with worker.pool.books.engine.connect() as connection:
        (summary,) = connection.execute(select(daily_usage_summary))
    assert (summary.date, summary.total_requests) == (late.date(), 1)


def test_while_the_database_is_away_it_waits_for_the_next_tick(worker: SmallWorker) -> None:
    book(worker, worker.pool.now() - timedelta(days=100))
    books = worker.pool.books
    worker.pool.books = replace(books, engine=open_database("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    assert worker.run(prune_ledger(worker.pool)) == 0
    worker.pool.books = books
    assert worker.run(prune_ledger(worker.pool)) == 1


def test_the_system_is_measured(worker: SmallWorker) -> None:
    worker.configure(agents={"log_analyzer": Agent(id="log_analyzer", daily_budget_usd=9)})
    worker.submit(model="openai-small", max_tokens=10)
    worker.complete()
    worker.redis.delete(redis_keys.OUTBOX)
    for _ in range(3):
        worker.submit()
    worker.redis.zadd(shared_keys.PARKED, {"a": 1, "b": 2})
    seconds, _ = worker.redis.time()
    row = AlertRow(alert_id="1", severity="info", source="t", cause="c", title="T", message="M", created_at=worker.pool.now())
    worker.redis.xadd(redis_keys.OUTBOX, dict(row.to_fields()), id=f"{(seconds - 60) * 1000}-0")
    assert worker.run(measure_system(worker.pool)) == 9
    with worker.pool.books.engine.connect() as connection:
        figures = {row.metric_type: row for row in connection.execute(select(system_metrics))}
    counts = {name: figure.value for name, figure in figures.items() if figure.unit not in {"usd", "s"}}
    assert counts == {
        "jobs_waiting": 3,
        "jobs_parked": 2,
        "messages_claimed": 0,
        "calls_in_flight": 0,
        "dead_letters": 0,
        "outbox_rows": 1,
        "workers": 0,
    }
    assert 59 <= figures["outbox_lag"].value < 90
    spent = float(worker.bill_usd())
    assert spent > 0
    assert (figures["spent_today"].value, figures["spent_today"].metadata) == (spent, {"agent:log_analyzer": spent})
