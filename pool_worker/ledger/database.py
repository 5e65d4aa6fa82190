"""Opens the ledger's database, SQLite or PostgreSQL, and brings its schema up to date."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from pool_client.errors import ConfigurationError

LOCK_WAIT_S = 30
"""How long a statement waits for somebody else's lock before it fails."""

MIGRATION_LOCK = 0x6D70_0001
VAULT_LOCK = 0x6D70_0002
"""Advisory locks on PostgreSQL; SQLite has one writer at a time anyway."""


def default_url(home: Path) -> str:
    """URL of the embedded ledger in a home folder."""
    return f"sqlite:///{home / 'ledger.db'}"


def open_database(url: str) -> Engine:
    """An engine for `sqlite:///path` or `postgresql+psycopg://…` (`postgresql://` means the same); dispose of it when done.

    A new SQLite file is readable by its owner only.

    Raises:
        ConfigurationError: for a URL that is neither; its password is not in the message.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        msg = "MODEL_POOL_DATABASE_URL is no database URL: write sqlite:////path/ledger.db or postgresql+psycopg://user@host/name"
        raise ConfigurationError(msg) from None
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        return _open_sqlite(parsed)
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return _open_postgresql(parsed.set(drivername="postgresql+psycopg"))
    msg = f"MODEL_POOL_DATABASE_URL: {parsed.render_as_string()} is neither sqlite:///… nor postgresql+psycopg://…"
    raise ConfigurationError(msg)


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        msg = "MODEL_POOL_DATABASE_URL: the ledger needs a file, several processes share it: sqlite:////path/ledger.db"
        raise ConfigurationError(msg)
    _create_sqlite_file(Path(url.database))
    engine = create_engine(
        url,
        pool_size=5,
        max_overflow=10,
        pool_timeout=LOCK_WAIT_S,
        connect_args={"timeout": LOCK_WAIT_S, "isolation_level": None},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_on_sqlite)
    return engine


def _create_sqlite_file(path: Path) -> None:
    """Put an empty database in WAL mode there, in one step: a later switch of the mode would race with other processes."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # of mode 0600
    os.close(handle)
    try:
        connection = sqlite3.connect(name)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
        os.link(name, path)
    except FileExistsError:
        pass  # another process was first
    finally:
        Path(name).unlink()


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what the vault deletes or encrypts anew is not to stay in the file


def _begin_on_sqlite(connection: Connection) -> None:
    mode = "IMMEDIATE" if connection.get_execution_options().get("writes") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {mode}")


def _open_postgresql(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=5,
        max_overflow=5,
        pool_timeout=10,
        pool_recycle=1800,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 5,
            "application_name": "model-pool",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        },
    )
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _set_up_postgresql(connection: Any, _record: object) -> None:
    connection.execute(f"SET lock_timeout = '{LOCK_WAIT_S}s'")
    connection.commit()


def forget_deleted(engine: Engine) -> None:
    """Leave nothing of deleted rows in SQLite's write-ahead log, if nobody reads just now; PostgreSQL has its own vacuum."""
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def writing(engine: Engine, *, lock: int | None = None) -> Iterator[Connection]:
    """A transaction that writes; with `lock`, only one process at a time is in it.

    SQLite takes its write lock at the beginning, so that the transaction waits its turn; a later upgrade would fail.
    """
    with engine.execution_options(writes=True).begin() as connection:
        if lock is not None and engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
        yield connection
