"""Moves rows from the outbox stream into the database: at least once from Redis, exactly once in the tables.

An entry is acknowledged and deleted after the commit. A writer that dies in between leaves its entries pending; another takes
them over, and the unique ids make the second insert a no-op. One that the database fails gives its entries back at once.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import redis
from redis.client import NEVER_DECODE
from sqlalchemy import Connection, Engine, Table, or_
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from pool_worker import redis_keys
from pool_worker.errors import AbandonedError
from pool_worker.ledger import tables
from pool_worker.ledger.database import writing
from pool_worker.ledger.rows import AlertRow, AttemptRow, DeliveryRow, EventRow, JobRow, MalformedRowError, Row, row_from_fields
from pool_worker.ledger.upsert import Insert, insert_into, replaced
from pool_worker.lua import read_script

GROUP = "ledger"
TAKEOVER_MS = 60_000
KEEP_REJECTED = 10_000

_TABLES: dict[type[Row], Table] = {
    AttemptRow: tables.usage_logs,
    JobRow: tables.jobs,
    AlertRow: tables.alerts,
    DeliveryRow: tables.alert_deliveries,
    EventRow: tables.agent_events,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    id: bytes
    row: Row | None
    reason: str = ""


def drain(client: redis.Redis, engine: Engine, *, limit: int = 1000, takeover_ms: int = TAKEOVER_MS) -> int:
    """Write up to `limit` entries of the outbox and take them off it; call it again until it returns 0.

    Any number of writers may do this at once. What is not a row goes to `redis_keys.OUTBOX_REJECTED` with the reason.

    Returns:
        How many entries left the outbox, rejected ones included.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: if the database cannot be reached or written; the entries stay in the outbox.
    """
    entries = [_read(entry_id, flat) for entry_id, flat in _take(client, limit=limit, takeover_ms=takeover_ms)]
    if not entries:
        return 0
    try:
        verdicts = _write(engine, entries)
    except SQLAlchemyError:
        _give_back(client, entries)
        raise
    return _settle(client, verdicts)


def _take(client: redis.Redis, *, limit: int, takeover_ms: int) -> list[tuple[bytes, list[bytes]]]:
    # Never decoded by the client: one entry that is not UTF-8 would spoil the whole answer.
    execute: Callable[..., Any] = client.execute_command
    script = read_script(__package__, "take")
    answer = execute("EVAL", script, 1, redis_keys.OUTBOX, GROUP, limit, takeover_ms, **{NEVER_DECODE: True})
    return cast(list[tuple[bytes, list[bytes]]], answer)


def _give_back(client: redis.Redis, entries: Iterable[_Entry]) -> None:
    client.eval(read_script(__package__, "give_back"), 1, redis_keys.OUTBOX, GROUP, *(entry.id for entry in entries))


def _settle(client: redis.Redis, entries: Iterable[_Entry]) -> int:
    verdicts = [part for entry in entries for part in (entry.id, entry.reason)]
    script = read_script(__package__, "settle")
    names = (redis_keys.OUTBOX, redis_keys.OUTBOX_REJECTED)
    return cast(int, client.eval(script, len(names), *names, GROUP, KEEP_REJECTED, *verdicts))


def _read(entry_id: bytes, flat: list[bytes]) -> _Entry:
    try:
        words = [part.decode() for part in flat]
        return _Entry(entry_id, row_from_fields(dict(zip(words[::2], words[1::2], strict=True))))
    except UnicodeDecodeError:
        return _rejected(entry_id, "the entry is not UTF-8 text")
    except MalformedRowError as error:
        return _rejected(entry_id, str(error))


def _rejected(entry_id: bytes, reason: str) -> _Entry:
    logger.error("entry %s of the outbox is not a row: %s", entry_id.decode(), reason)
    return _Entry(entry_id, None, reason)


def _write(engine: Engine, entries: list[_Entry]) -> list[_Entry]:
    """All in one transaction; if a row proves unacceptable to the database, each in its own savepoint to find out which."""
    rows = [entry.row for entry in entries if entry.row is not None]
    try:
        with writing(engine) as connection:
            _insert(connection, rows)
    except (DataError, IntegrityError) as error:
        logger.warning("the database refuses a row, writing one by one: %s", type(error.orig).__name__)
    else:
        return entries
    with writing(engine) as connection:
        return [_write_one(connection, entry) for entry in entries]


def _write_one(connection: Connection, entry: _Entry) -> _Entry:
    if entry.row is None:
        return entry
    try:
        with connection.begin_nested():
            _insert(connection, [entry.row])
    except (DataError, IntegrityError) as error:
        return _rejected(entry.id, f"the database refuses it: {error.orig}")
    return entry


def _insert(connection: Connection, rows: Iterable[Row]) -> None:
    """Insert by kind, each kind in the order of its ids: two writers with the same rows then wait and do not deadlock."""
    by_kind: dict[type[Row], dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in rows:
        by_kind[type(row)][getattr(row, row.id_column)] = row.to_columns()
    _forget_estimates(connection, by_kind[AttemptRow])
    for kind, table in _TABLES.items():
        if values := by_kind[kind]:
            statement = _insert_once(connection, table, kind.id_column)
            connection.execute(statement, [values[row_id] for row_id in sorted(values)])


def _forget_estimates(connection: Connection, attempts: Mapping[str, Mapping[str, Any]]) -> None:
    """A call that was booked for a worker that was cut off gives way to what that worker knows of it."""
    known = sorted(attempt_id for attempt_id, attempt in attempts.items() if attempt["outcome"] != AbandonedError.__name__)
    if known:
        calls = tables.usage_logs.c
        estimates = calls.attempt_id.in_(known) & (calls.outcome == AbandonedError.__name__)
        connection.execute(tables.usage_logs.delete().where(estimates))


def _insert_once(connection: Connection, table: Table, id_column: str) -> Insert:
    """A row that is there already stays; only a job may be told anew, by a later end."""
    statement = insert_into(connection, table)
    if table is not tables.jobs:
        return statement.on_conflict_do_nothing(index_elements=[id_column])
    later = or_(table.c.finished_at.is_(None), statement.excluded.finished_at >= table.c.finished_at)
    changes = replaced(statement, except_for=frozenset({id_column}))
    return statement.on_conflict_do_update(index_elements=[id_column], set_=changes, where=later)
