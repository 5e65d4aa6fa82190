"""A model on which many calls fail is told of once, and again when it is over; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from small_worker import SmallWorker
from sqlalchemy import Engine

from pool_worker import redis_keys
from pool_worker.ledger.database import open_database
from pool_worker.ledger.rows import AlertRow
from pool_worker.maintenance.books import write_ledger
from pool_worker.maintenance.storms import check_failovers
from pool_worker.registry import PoolRules, WarningRules

AN_HOUR = timedelta(hours=1)


@pytest.fixture
def stormy(worker: SmallWorker, engine: Engine) -> SmallWorker:
    """Its ledger is in one database and then in the other."""
    worker.pool.books = replace(worker.pool.books, engine=engine)
    return worker


def fail(worker: SmallWorker, provider: str, times: int, *, status: int = 500) -> None:
    """So many calls there fail, each of a job that is answered elsewhere."""
    for _ in range(times):
        worker.simulator.fault(provider, "status", status=status, count=1)
        worker.submit(excluded_providers=["groq"] if provider == "cerebras" else None)
        assert worker.complete().startswith("succeeded")
        worker.heals()
        worker.enroll()


def told(worker: SmallWorker) -> list[str]:
    """What a tick tells people, when the books are up to date."""
    worker.run(write_ledger(worker.pool))
    worker.run(check_failovers(worker.pool))
    return [f"{row.severity}: {row.title}" for row in worker.rows(AlertRow)]


def at(worker: SmallWorker, moment: datetime) -> None:
    worker.pool.now = lambda: moment


def test_more_than_three_in_an_hour_are_told_once_until_it_is_over(stormy: SmallWorker) -> None:
    noon = stormy.pool.now()
    fail(stormy, "groq", 3)
    fail(stormy, "cerebras", 3)
    assert told(stormy) == []
    fail(stormy, "groq", 1)
    assert told(stormy) == ["warning: calls on groq-small fail: 4 within an hour"]
    fail(stormy, "groq", 1)
    assert told(stormy) == [], "once"
    at(stormy, noon + AN_HOUR - timedelta(minutes=1))
    assert told(stormy) == []
    at(stormy, noon + AN_HOUR + timedelta(minutes=5))
    assert told(stormy) == ["info: calls on groq-small no longer fail"]
    assert told(stormy) == []
    fail(stormy, "groq", 4)
    assert told(stormy) == ["warning: calls on groq-small fail: 4 within an hour"]


def test_it_says_why_and_what_to_do(worker: SmallWorker) -> None:
    fail(worker, "groq", 1, status=503)
    fail(worker, "groq", 3)
    told(worker)
    (alert,) = worker.rows(AlertRow)
    assert alert.source == "failover"
    assert alert.message.startswith(
        "3 × ProviderFailedError (500), 1 × ProviderOverloadedError (503). Their jobs went on elsewhere. "
    )
    assert "`model-pool models disable groq-small`" in alert.message
    assert "more than 3 are told of" in alert.message


def test_a_spent_quota_is_no_failover(worker: SmallWorker) -> None:
    fail(worker, "groq", 5, status=429)
    assert told(worker) == []


def test_how_many_is_configured(worker: SmallWorker) -> None:
    worker.configure(rules=PoolRules(warnings=WarningRules(failovers_per_hour=0)))
    assert told(worker) == []
    fail(worker, "groq", 1)
    assert told(worker) == ["warning: calls on groq-small fail: 1 within an hour"]


def test_while_the_database_is_away_nothing_is_told_and_nothing_is_over(worker: SmallWorker) -> None:
    fail(worker, "groq", 4)
    assert len(told(worker)) == 1
    worker.run(write_ledger(worker.pool))
    books = worker.pool.books
    worker.pool.books = replace(books, engine=open_database("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    at(worker, worker.pool.now() + 2 * AN_HOUR)
    assert worker.run(check_failovers(worker.pool)) == 0
    assert worker.redis.xlen(redis_keys.OUTBOX) == 0
    worker.pool.books = books
    assert told(worker) == ["info: calls on groq-small no longer fail"]
