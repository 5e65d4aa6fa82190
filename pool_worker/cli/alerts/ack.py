"""`model-pool alerts ack`: somebody has seen these alerts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from pool_worker.cli.figures import count_of
from pool_worker.cli.ledger_reading import open_ledger
from pool_worker.cli.running import connected_settings
from pool_worker.cli.terminal import CommandError, as_typed, out
from pool_worker.ledger import reports
from pool_worker.settings import Settings


def acknowledge(
    *,
    alert_ids: Annotated[list[int] | None, typer.Argument(metavar="ID…", help="As `alerts list` shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that nobody has seen yet.")] = False,
) -> None:
    """Note that somebody has seen alerts."""
    if bool(alert_ids) == every:
        msg = "name the alerts that were seen, or say --all"
        raise CommandError(msg, exit_code=2)
    now = datetime.now(UTC)
    with open_ledger(connected_settings(Settings())) as engine:
        if every:
            count = reports.acknowledge_all(engine, at=now)
            out.print(f"{count_of(count, 'alert')} acknowledged" if count else "no alert was open")
            return
        known = {alert_id: reports.acknowledge(engine, alert_id, at=now) for alert_id in alert_ids or ()}
    for alert_id in (each for each, is_known in known.items() if is_known):
        out.print(f"alert {alert_id} is acknowledged")
    if unknown := ", ".join(str(alert_id) for alert_id, is_known in known.items() if not is_known):
        msg = f"there is no alert {unknown}: `{as_typed('alerts list')}` shows them"
        raise CommandError(msg, exit_code=2)
