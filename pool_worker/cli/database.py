"""`model-pool database …`."""

from __future__ import annotations

import typer

from pool_client.redis_connection import shown
from pool_worker.cli.terminal import out
from pool_worker.ledger.database import open_database
from pool_worker.ledger.schema import migrate, schema_revisions
from pool_worker.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def database() -> None:
    """Set up the ledger's database."""


@app.command("migrate")
def migrate_command() -> None:
    """Create the tables, or bring them up to date. Running it again changes nothing."""
    settings = Settings()
    engine = open_database(settings.ledger_url)
    try:
        migrate(engine)
        revision, _ = schema_revisions(engine)
    finally:
        engine.dispose()
    out.print(f"{shown(settings.ledger_url)} is at revision {revision}")
