"""How well each model has answered: within a time, from its calls; and over days, from their summaries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, case, func, select

from pool_worker.errors import FAILOVERS
from pool_worker.ledger.calls import By, calls, latency_percentile, ranked
from pool_worker.ledger.tables import daily_usage_summary


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """Calls that came to something, one way or the other. Refusals of a spent quota, and mistakes of a caller's, say nothing."""

    answered: int
    in_vain: int
    """As `reports.failovers` counts."""
    p95_ms: float | None
    """Of the answered ones; None: there were none."""

    @property
    def calls(self) -> int:
        """Both kinds."""
        return self.answered + self.in_vain

    @property
    def success_rate(self) -> float:
        """Of all calls; there must be some."""
        return self.answered / self.calls


def of_calls(engine: Engine, *, since: datetime) -> dict[str, TrackRecord]:
    """Model id → its record from `since` on; one query of the calls since then."""
    of = ranked(calls(By.MODEL, since=since, until=None))
    row = of.c
    query = (
        select(
            row.model_id,
            func.count(case((row.success, 1))),
            func.count(case((row.outcome.in_(sorted(FAILOVERS)), 1))),
            latency_percentile(of, 95),
        )
        .where(row.model_id.is_not(None))
        .group_by(row.model_id)
    )
    with engine.connect() as connection:
        return {model_id: TrackRecord(*facts) for model_id, *facts in connection.execute(query)}


def of_days(engine: Engine, first: date, last: date) -> dict[str, TrackRecord]:
    """Model id → its record over whole days (UTC), of those days that were summed up with percentiles.

    The p95 is the mean of the days' p95, each with the weight of its answers: near the true one where the days are alike, and it
    reads some rows, not millions.
    """
    day = daily_usage_summary.c
    query = select(daily_usage_summary).where(day.date >= first, day.date <= last, day.failovers.is_not(None))
    days: defaultdict[str, list[Mapping[Any, Any]]] = defaultdict(list)
    with engine.connect() as connection:
        for row in connection.execute(query).mappings():
            days[row["model_id"]].append(row)
    return {model_id: _sum(rows) for model_id, rows in days.items()}


def _sum(days: Iterable[Mapping[Any, Any]]) -> TrackRecord:
    answered = in_vain = 0
    weighted_ms = 0.0
    for day in days:
        successes = round(day["success_rate"] * day["total_requests"])
        answered += successes
        in_vain += day["failovers"]
        weighted_ms += successes * (day["p95_response_time_ms"] or 0.0)
    return TrackRecord(answered, in_vain, weighted_ms / answered if answered else None)
