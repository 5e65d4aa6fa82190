"""Whether anything has succeeded of late: what tells that somebody who was refused is well again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Engine, select

from pool_worker.ledger.tables import usage_logs


def has_succeeded(
    engine: Engine, *, since: datetime, models: Collection[str] | None = None, keys: Collection[str] | None = None
) -> bool:
    """Whether a call that began after `since` was answered: of these models (None: any) with one of these keys (None: any)."""
    log = usage_logs.c
    query = select(log.id).where(log.success.is_(True), log.created_at > since)
    if models is not None:
        query = query.where(log.model_id.in_(models))
    if keys is not None:
        query = query.where(log.key_id.in_(keys))
    with engine.connect() as connection:
        return connection.execute(query.limit(1)).first() is not None
