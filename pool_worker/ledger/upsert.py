"""INSERT … ON CONFLICT, which SQLite and PostgreSQL spell alike and SQLAlchemy keeps per dialect."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Insert = postgresql.Insert | sqlite.Insert


def insert_into(connection: Connection, table: Table) -> Insert:
    """An INSERT of this connection's dialect, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def replaced(statement: Insert, *, except_for: frozenset[str]) -> dict[str, Any]:
    """The SET of an upsert: every column takes the new row's value, but for these."""
    return {column.name: column for column in statement.excluded if column.name not in except_for}
