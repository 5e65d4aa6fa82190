"""The ledger, opened to be read: never made, never changed by looking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from pool_client.redis_connection import shown
from pool_worker.cli.terminal import CommandError, as_typed
from pool_worker.ledger.database import open_database
from pool_worker.ledger.schema import schema_revisions
from pool_worker.settings import Settings


@contextmanager
def ledger_if_there(settings: Settings) -> Iterator[Engine | None]:
    """The ledger; None if there is no database, or none with the tables of this release."""
    file = _sqlite_file(settings)
    if file is not None and not file.exists():
        yield None
        return
    engine = open_database(settings.ledger_url)
    try:
        present, needed = schema_revisions(engine)
        yield engine if present == needed else None
    finally:
        engine.dispose()


@contextmanager
def open_ledger(settings: Settings) -> Iterator[Engine]:
    """The ledger.

    Raises:
        CommandError: if there is none yet.
    """
    with ledger_if_there(settings) as engine:
        if engine is None:
            simulated = next(settings.home.glob("simulate-*/ledger.db"), None)
            elsewhere = (
                f"that of simulated runs is read with --home {simulated.parent}" if simulated else "--home names another folder"
            )
            msg = f"there is no ledger yet at {ledger_place(settings)}: `{as_typed('up')}` makes it; {elsewhere}"
            raise CommandError(msg)
        yield engine


def ledger_place(settings: Settings) -> str:
    """Where the ledger is, for people to read."""
    return str(_sqlite_file(settings) or shown(settings.ledger_url))


def _sqlite_file(settings: Settings) -> Path | None:
    parsed = make_url(settings.ledger_url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None
