"""`model-pool ledger …`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from pool_worker.cli.json_output import print_json_object
from pool_worker.cli.ledger_reading import open_ledger
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import plain_table, show
from pool_worker.cli.terminal import err
from pool_worker.config import load_registry
from pool_worker.ledger.pruning import oldest_kept, prunable, prune
from pool_worker.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def ledger() -> None:
    """Look after the ledger."""


@app.command("prune")
def prune_command(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many rows would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Delete rows that are older than `retention` in pool.yaml says; beat does it once a day. Daily summaries stay."""
    settings, now = connected_settings(Settings()), datetime.now(UTC)
    registry = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
    retention = registry.rules.retention
    with open_ledger(settings) as engine:
        rows = asdict((prunable if dry_run else prune)(engine, retention, now=now))
    days = asdict(retention)
    if as_json:
        print_json_object({"dry_run": dry_run, "rows": rows})
        return
    table = plain_table("rows", "would go" if dry_run else "deleted", "older than", "kept for")
    for kind, count in rows.items():
        kept = days[f"{kind}_days"]
        table.add_row(kind, f"{count:,}", f"{oldest_kept(kept, now=now):%Y-%m-%d}", f"{kept} days")
    show(table)
    if dry_run:
        err.print("nothing was deleted", style="dim")
