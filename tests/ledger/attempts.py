"""A row of the ledger's attempts, of which a test says only what matters to it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from pool_worker.ledger.rows import AttemptRow


def attempt_at(at: datetime, number: int, outcome: str = "ok", **facts: Any) -> AttemptRow:
    usual: dict[str, Any] = {"input_tokens": 3, "output_tokens": 1, "cost": Decimal(0), "response_time_ms": 10.0}
    return AttemptRow(
        attempt_id=str(number),
        job_id="a",
        attempt=number,
        agent="x",
        queue="free",
        outcome=outcome,
        created_at=at,
        **(usual | facts),
    )
