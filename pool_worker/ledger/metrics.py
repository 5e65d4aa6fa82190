"""Figures of the whole system over time, in the table `system_metrics`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from pool_worker.ledger.database import writing
from pool_worker.ledger.tables import system_metrics


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure at one time."""

    metric_type: str
    """What it is of, e.g. `jobs_waiting`."""
    value: float
    unit: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def book_metrics(engine: Engine, metrics: Iterable[Metric], *, at: datetime) -> int:
    """Write figures of one time; returns how many."""
    rows = [
        {"metric_type": it.metric_type, "value": it.value, "unit": it.unit, "metadata": dict(it.metadata), "created_at": at}
        for it in metrics
    ]
    with writing(engine) as connection:
        connection.execute(system_metrics.insert(), rows)
    return len(rows)
