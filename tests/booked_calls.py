"""Calls in the ledger that nobody made, for what looks back over days."""

from __future__ import annotations

import itertools
from datetime import datetime

from sqlalchemy import Engine

from pool_worker.ledger.database import writing
from pool_worker.ledger.rows import AttemptRow
from pool_worker.ledger.tables import usage_logs

numbers = itertools.count()


def book(engine: Engine, at: datetime, count: int, *, outcome: str = "ok", ms: float = 100.0) -> None:
    """So many calls on groq-small."""
    facts = {"job_id": "a", "attempt": 1, "agent": "x", "queue": "free", "provider": "groq", "model_id": "groq-small"}
    rows = [
        AttemptRow(attempt_id=f"{next(numbers)}", outcome=outcome, created_at=at, response_time_ms=ms, **facts)
        for _ in range(count)
    ]
    with writing(engine) as connection:
        connection.execute(usage_logs.insert(), [row.to_columns() for row in rows])
