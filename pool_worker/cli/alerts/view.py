"""Alerts, drawn: a line for those of one sort, or each with all that it says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from pool_worker.cli.alerts.grouping import AlertGroup, Stage, stage_of
from pool_worker.cli.figures import moment, to_the_minute
from pool_worker.ledger.reports import Alert

COLOURS = {"info": "cyan", "warning": "yellow", "critical": "bold red"}
WIDTH = 100


def groups_table(groups: Sequence[AlertGroup]) -> Table:
    """One line each, cut where it is too long."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False, expand=True)
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("when", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    table.add_column("what", no_wrap=True, ratio=5)
    table.add_column("state", no_wrap=True)
    table.add_column("", no_wrap=True, ratio=2)
    for group in groups:
        newest, count = group.newest, len(group.alerts)
        table.add_row(
            str(newest.id),
            to_the_minute(newest.created_at),
            f"×{count}" if count > 1 else "",
            _severity(newest),
            Text("; ".join(group.titles), style="bold"),
            f"{group.stage} {to_the_minute(at)}" if (at := _since(newest)) else group.stage.value,
            Text(newest.message.partition("\n")[0], style="dim"),
            style=None if group.stage is Stage.OPEN else "dim",
        )
    return table


def alerts_table(found: Sequence[Alert]) -> Table:
    """Each with its message."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("id", justify="right")
    table.add_column("when", no_wrap=True)
    table.add_column("severity")
    table.add_column("what", overflow="fold")
    table.add_column("state", no_wrap=True)
    for alert in found:
        stage, at = stage_of(alert), _since(alert)
        table.add_row(
            str(alert.id),
            moment(alert.created_at),
            _severity(alert),
            Text.assemble((alert.title, "bold"), f"\n{alert.message}"),
            f"{stage} {moment(at)}" if at else stage.value,
            style=None if stage is Stage.OPEN else "dim",
        )
    return table


def _since(alert: Alert) -> datetime | None:
    """When it was over, or else seen."""
    return alert.resolved_at or alert.acknowledged_at


def _severity(alert: Alert) -> Text:
    return Text(alert.severity, style=COLOURS[alert.severity])
