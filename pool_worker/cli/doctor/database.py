"""The ledger's database: there, migrated, writable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from pool_client.redis_connection import shown
from pool_worker.cli.doctor.finding import Finding, failure, ok, warning
from pool_worker.cli.terminal import as_typed
from pool_worker.ledger.database import open_database
from pool_worker.ledger.schema import schema_revisions

MIGRATE = "database migrate"


@contextmanager
def existing_database(url: str) -> Iterator[Engine | None]:
    """The database, without making one: None for an SQLite file that is not there."""
    path = sqlite_file(url)
    if path is not None and not path.exists():
        yield None
        return
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def check_database(engine: Engine | None, url: str) -> Iterator[Finding]:
    """Everything about the database."""
    where = str(sqlite_file(url) or shown(url))
    if engine is None:
        yield warning("database", f"{where} is not there yet", f"{as_typed('up')} makes it, or {as_typed(MIGRATE)}")
        return
    try:
        present, needed = schema_revisions(engine)
        problem = _write_problem(engine, url)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        yield failure("database", f"{where} cannot be used: {reason}", "start it, or correct MODEL_POOL_DATABASE_URL")
        return
    if present != needed:
        yield failure("database", f"{where} is at revision {present or 'none'}, this release needs {needed}", as_typed(MIGRATE))
    if problem:
        yield failure("database", f"{where} {problem}", "grant this user the right to write")
    if present == needed and not problem:
        yield ok("database", f"{where}, revision {present}")


def is_migrated(engine: Engine) -> bool:
    """Whether the tables are there as this release needs them."""
    try:
        present, needed = schema_revisions(engine)
    except SQLAlchemyError:
        return False
    return present == needed


def _write_problem(engine: Engine, url: str) -> str:
    path = sqlite_file(url)
    if path is not None:
        return "" if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else "cannot be written to"
    with engine.connect() as connection:
        if connection.execute(text("SHOW transaction_read_only")).scalar() == "on":
            return "is read-only"
        if connection.execute(text("SELECT to_regclass('jobs')")).scalar() is None:
            return ""
        allowed = connection.execute(text("SELECT has_table_privilege('jobs', 'INSERT')")).scalar()
    return "" if allowed else "cannot be written to by this user"
