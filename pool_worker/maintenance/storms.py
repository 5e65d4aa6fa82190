"""Failover storms: models on which many calls have failed within an hour, as alerts. Counted in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby

from pool_worker.alerts import Matter, told
from pool_worker.ledger.reports import FailoverRow, failovers
from pool_worker.maintenance.clerk import Clerk
from pool_worker.resources import Resources

SOURCE = "failover"
HOUR = timedelta(hours=1)
REASONS = 3
"""So many are named, the most frequent first."""
_COUNTER = Clerk("counting failovers")
"""Of this process."""


async def check_failovers(pool: Resources) -> int:
    """Tell of each model with more than `warnings.failovers_per_hour` failovers in the last hour, and when it is over.

    A failover is a call that was made in vain (`AttemptError.is_failover`). A spent quota is none: jobs meet many of them where
    all is well, they are waited for, and alerts of their own tell of them. Also counted is a call after which its job could go on
    nowhere; the hour counts from the call's beginning. Told once for each model until it is over (or has lasted for a day). Costs
    one query of the hour's rows. While the database is away nothing is told, and nothing is over.

    Returns:
        On how many models there is a storm; 0 while the database is away.
    """
    counted: list[FailoverRow] = []

    def count() -> int:
        counted.extend(failovers(pool.books.engine, since=pool.now() - HOUR))
        return 1

    if not await _COUNTER.do(count):
        return 0
    by_model = {model_id: list(rows) for model_id, rows in groupby(counted, key=lambda row: row.model_id)}
    storms = {model_id: rows for model_id, rows in by_model.items() if _calls(rows) > _bound(pool)}
    for model_id, rows in storms.items():
        await _storm(model_id, rows, pool).begins(pool.redis, now=pool.now())
    for model_id in await _told(pool):
        if model_id not in storms:
            await _storm(model_id, (), pool).ends(pool.redis, now=pool.now())
    return len(storms)


def _storm(model_id: str, rows: Sequence[FailoverRow], pool: Resources) -> Matter:
    return Matter(
        cause=f"{SOURCE}:{model_id}",
        source=SOURCE,
        severity="warning",
        title=f"calls on {model_id} fail: {_calls(rows)} within an hour",
        message=f"{', '.join(map(_reason, rows[:REASONS]))}. Their jobs went on elsewhere. If it lasts, take the model out "
        f"(`model-pool models disable {model_id}`) or lower its priority; "
        f"more than {_bound(pool)} are told of (warnings in pool.yaml)",
        over_title=f"calls on {model_id} no longer fail",
        over_message=f"{_bound(pool)} or less within the last hour",
    )


async def _told(pool: Resources) -> list[str]:
    """The models of which people know that there is a storm, and not yet that it is over."""
    causes = {model_id: _storm(model_id, (), pool).cause for model_id in pool.registry.models}
    known = await told(pool.redis, causes.values())
    return [model_id for model_id, cause in causes.items() if cause in known]


def _reason(row: FailoverRow) -> str:
    status = "" if row.status_code is None else f" ({row.status_code})"
    return f"{row.calls:,} × {row.outcome}{status}"


def _calls(rows: Sequence[FailoverRow]) -> int:
    return sum(row.calls for row in rows)


def _bound(pool: Resources) -> int:
    return pool.registry.rules.warnings.failovers_per_hour
