"""`model-pool alerts …`: what a person should know, and what somebody has seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from pool_worker.cli.figures import moment
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.ledger_reading import open_ledger
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import show
from pool_worker.cli.terminal import CommandError, err, out
from pool_worker.ledger import reports
from pool_worker.ledger.reports import Alert
from pool_worker.settings import Settings

COLOURS = {"info": "cyan", "warning": "yellow", "critical": "bold red"}

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def alerts() -> None:
    """What a person should know, and what somebody has seen."""


@app.command("list")
def list_command(
    *,
    is_open: Annotated[bool, typer.Option("--open", help="Only those that nobody has acknowledged.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List alerts, the newest first."""
    with open_ledger(connected_settings(Settings())) as engine:
        found = reports.list_alerts(engine, open_only=is_open, limit=limit)
    if as_json:
        print_json_list(found)
    elif found:
        show(_table(found))
    else:
        err.print("no open alert: all is well" if is_open else "no alert: all is well")


@app.command("ack")
def ack_command(alert_id: Annotated[int, typer.Argument(metavar="ID", help="As `alerts list` shows it.")]) -> None:
    """Note that somebody has seen an alert."""
    with open_ledger(connected_settings(Settings())) as engine:
        known = reports.acknowledge(engine, alert_id, at=datetime.now(UTC))
    if not known:
        msg = f"there is no alert {alert_id}: `model-pool alerts list` shows them"
        raise CommandError(msg, exit_code=2)
    out.print(f"alert {alert_id} is acknowledged")


def _table(found: Sequence[Alert]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("id", justify="right")
    table.add_column("when", no_wrap=True)
    table.add_column("severity")
    table.add_column("what", overflow="fold")
    table.add_column("seen", no_wrap=True)
    for alert in found:
        what = Text.assemble((alert.title, "bold"), f"\n{alert.message}")
        seen = moment(alert.acknowledged_at) if alert.acknowledged else "no"
        severity = Text(alert.severity, style=COLOURS[alert.severity])
        table.add_row(str(alert.id), moment(alert.created_at), severity, what, seen, style="dim" if alert.acknowledged else None)
    return table
