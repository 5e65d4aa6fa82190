"""Facts of the contract to make rows from, and what the ledger's tests ask of a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, Table, select

from pool_client.job import Attempt, Job, Message
from pool_worker import redis_keys
from pool_worker.ledger.database import writing
from pool_worker.ledger.rows import AttemptRow, Row
from pool_worker.ledger.tables import usage_logs

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def job() -> Job:
    message = Message(role="user", content="Why did this fail?")
    return Job(id="job-1", messages=[message], agent="log_analyzer", task_type="analysis", submitted_at=NOON)


@pytest.fixture
def make_attempt() -> Callable[..., Attempt]:
    def make(number: int, outcome: str = "ok", **facts: Any) -> Attempt:
        started_at = NOON + timedelta(seconds=number)
        named = {
            "id": f"attempt-{number}",
            "provider": "groq",
            "model_id": "groq/llama",
            "key_id": "groq#1",
            "queue": "free.groq",
            "started_at": started_at,
        }
        return Attempt(number=number, outcome=outcome, **named | facts)

    return make


@pytest.fixture
def send(redis_client: redis.Redis) -> Callable[..., None]:
    """Puts rows into the outbox, as `finish` does."""

    def put(*rows: Row) -> None:
        for row in rows:
            redis_client.xadd(redis_keys.OUTBOX, dict(row.to_fields()))

    return put


@pytest.fixture
def book(engine: Engine) -> Callable[[Iterable[AttemptRow]], None]:
    """Puts attempts straight into the table."""

    def insert(rows: Iterable[AttemptRow]) -> None:
        with writing(engine) as connection:
            connection.execute(usage_logs.insert(), [row.to_columns() for row in rows])

    return insert


@pytest.fixture
def read(engine: Engine) -> Callable[[Table], list[Any]]:
    """Every row of a table, in the order of its first column."""

    def rows(table: Table) -> list[Any]:
        with engine.connect() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key)))

    return rows
