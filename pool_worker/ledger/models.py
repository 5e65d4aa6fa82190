"""The registry's models as a table, for reports that know SQL and not our files."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, update

from pool_worker.ledger.database import writing
from pool_worker.ledger.tables import models
from pool_worker.ledger.upsert import insert_into, replaced
from pool_worker.registry import Model, Period, Registry, Unit

THOUSANDTH = Decimal(1) / 1000


def publish_models(engine: Engine, registry: Registry, *, now: datetime | None = None) -> int:
    """Write every model of the registry; one that is no longer there stays as an inactive row. Returns the number of models."""
    at = now or datetime.now(UTC)
    rows = [_columns(registry, model) | {"created_at": at, "updated_at": at} for model in registry.models.values()]
    gone = update(models).where(models.c.is_active, models.c.model_id.not_in([row["model_id"] for row in rows]))
    with writing(engine) as connection:
        connection.execute(gone.values(is_active=False, updated_at=at))
        if rows:
            statement = insert_into(connection, models)
            changes = replaced(statement, except_for=frozenset({"id", "model_id", "created_at"}))
            connection.execute(statement.on_conflict_do_update(index_elements=["model_id"], set_=changes), rows)
    return len(rows)


def _columns(registry: Registry, model: Model) -> dict[str, Any]:
    into = model.price.input_usd_per_mtok * THOUSANDTH
    out = model.price.output_usd_per_mtok * THOUSANDTH
    limits = {(window.unit, window.per): window.limit for window in registry.windows_of(model)}
    return {
        "model_id": model.id,
        "provider": model.provider,
        "model_name": model.name,
        "tier": model.tier.value,
        "priority": model.priority,
        "cost_per_1k_tokens": (into + out) / 2 if model.price_known else None,
        "cost_per_1k_input_tokens": into if model.price_known else None,
        "cost_per_1k_output_tokens": out if model.price_known else None,
        "rpm_limit": limits.get((Unit.REQUESTS, Period.MINUTE)),
        "tpm_limit": limits.get((Unit.TOKENS, Period.MINUTE)),
        "rpd_limit": limits.get((Unit.REQUESTS, Period.DAY)),
        "tpd_limit": limits.get((Unit.TOKENS, Period.DAY)),
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "capabilities": sorted(model.capabilities),
        "is_active": model.is_active,
        "is_experimental": model.is_experimental,
        "metadata": dict(model.metadata),
    }
