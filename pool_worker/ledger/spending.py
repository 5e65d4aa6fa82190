"""What was spent since a time, by whom the budgets are for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Engine, func, select

from pool_worker.ledger.tables import usage_logs


@dataclass(frozen=True, slots=True)
class Spending:
    """USD, by whom; what cost nothing is not named."""

    total: Decimal
    by_agent: Mapping[str, Decimal]
    by_model: Mapping[str, Decimal]
    by_key: Mapping[str, Decimal]


def spending_by_whom(engine: Engine, *, since: datetime) -> Spending:
    """The calls that began at this time or later; one statement, which reads the attempts since then."""
    log = usage_logs.c
    columns = (log.agent, log.model_id, log.key_id)
    query = select(*columns, func.sum(log.cost)).where(log.created_at >= since, log.cost > 0).group_by(*columns)
    by_agent, by_model, by_key = (defaultdict[str, Decimal](Decimal) for _ in columns)
    with engine.connect() as connection:
        for agent, model_id, key_id, cost in connection.execute(query):
            for counted, name in ((by_agent, agent), (by_model, model_id), (by_key, key_id)):
                counted[name or ""] += cost
    return Spending(sum(by_agent.values(), Decimal(0)), by_agent, by_model, by_key)


def spent_of_batches(engine: Engine, *, since: datetime) -> dict[str, Decimal]:
    """Batch → what all of its calls have cost, of the batches with a call that began at this time or later."""
    log, late = usage_logs.c, usage_logs.alias().c
    batches = select(late.batch).where(late.created_at >= since, late.batch.is_not(None)).distinct()
    query = select(log.batch, func.sum(log.cost)).where(log.batch.in_(batches), log.cost > 0).group_by(log.batch)
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}
