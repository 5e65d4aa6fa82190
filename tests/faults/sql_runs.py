"""Both databases of the ledger, each with what happens to it: PostgreSQL is killed, SQLite is locked by somebody."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from killable_postgres import killable_postgres

from pool_worker.ledger.database import default_url, open_database
from pool_worker.ledger.schema import migrate


@dataclass(frozen=True)
class Database:
    """A ledger's, with its schema."""

    url: str
    away: Callable[[], AbstractContextManager[None]]
    """While this block lasts nothing can be written."""


@contextmanager
def sqlite_locked(path: Path) -> Iterator[None]:
    """Nobody else can write."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def sqlite(folder: Path) -> Iterator[Database]:
    """A file."""
    _migrate(default_url(folder))
    yield Database(default_url(folder), lambda: sqlite_locked(folder / "ledger.db"))


@contextmanager
def postgresql(_: Path) -> Iterator[Database]:
    """A server of its own, which is killed and comes back."""
    with killable_postgres() as server:

        @contextmanager
        def killed() -> Iterator[None]:
            server.kill()
            try:
                yield
            finally:
                server.start()

        _migrate(server.url)
        yield Database(server.url, killed)


def _migrate(url: str) -> None:
    engine = open_database(url)
    migrate(engine)
    engine.dispose()
