"""`model-pool usage` and `model-pool costs`: what the ledger says was called and spent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import typer
from rich.table import Table

from pool_worker.cli.figures import NOTHING, bar, milliseconds, moment, percent, usd
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.ledger_reading import ledger_place, open_ledger
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import show
from pool_worker.cli.since import RIGHT, parse_since
from pool_worker.cli.terminal import err
from pool_worker.ledger import reports
from pool_worker.ledger.reports import By, CostRow, UsageRow
from pool_worker.settings import Settings

SHARE_BAR = 12

ByOption = Annotated[By, typer.Option("--by", help="What to group by.")]
SinceOption = Annotated[str, typer.Option(metavar="TIME", help=f"From when on: {RIGHT.removeprefix('write ')}.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


def usage(
    *,
    by: ByOption = By.MODEL,
    since: SinceOption = "24h",
    model: Annotated[str | None, typer.Option(metavar="ID", help="Only this model.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show calls, tokens, latencies and costs from the ledger, where they arrive about a second after the call."""
    from_then = parse_since(since, now=datetime.now(UTC))
    settings = connected_settings(Settings())
    with open_ledger(settings) as engine:
        rows = reports.usage(engine, since=from_then, by=by, model=model, agent=agent)
    if as_json:
        print_json_list(rows)
    elif rows:
        show(_usage_table(rows, by=by, since=from_then))
    else:
        _tell_empty(settings, since=from_then)


def costs(*, by: ByOption = By.MODEL, since: SinceOption = "24h", as_json: JsonOption = False) -> None:
    """Show what was spent, from the ledger, the dearest first."""
    from_then = parse_since(since, now=datetime.now(UTC))
    settings = connected_settings(Settings())
    with open_ledger(settings) as engine:
        rows = reports.costs(engine, since=from_then, by=by)
    if as_json:
        print_json_list(rows)
    elif rows:
        show(_costs_table(rows, by=by, since=from_then))
    else:
        _tell_empty(settings, since=from_then)


def _tell_empty(settings: Settings, *, since: datetime) -> None:
    err.print(f"no calls since {moment(since)} in {ledger_place(settings)}", markup=False)
    err.print('submit one with `model-pool submit "Why is the sky blue?"`, or look further back with --since 7d', style="dim")


def _usage_table(rows: Sequence[UsageRow], *, by: By, since: datetime) -> Table:
    titles = ("calls", "ok", "refused", "errors", "in", "out", "USD", "mean", "p95")
    table = _table(by, titles, f"in, out: tokens; since {moment(since)}")
    for row in rows:
        table.add_row(row.group, *_sums([row]), milliseconds(row.avg_latency_ms), milliseconds(row.p95_latency_ms))
    if len(rows) > 1:
        table.add_row("total", *_sums(rows), "", "", style="bold")
    return table


def _sums(rows: Sequence[UsageRow]) -> tuple[str, ...]:
    calls = sum(row.calls for row in rows)
    successes, refusals = sum(row.successes for row in rows), sum(row.refusals for row in rows)
    errors = calls - successes - refusals
    return (
        f"{calls:,}",
        percent(successes / calls) if calls else NOTHING,
        f"{refusals:,}" if refusals else NOTHING,
        f"{errors:,}" if errors else NOTHING,
        f"{sum(row.input_tokens for row in rows):,}",
        f"{sum(row.output_tokens for row in rows):,}",
        usd(sum((row.cost_usd for row in rows), Decimal(0))).removesuffix(" USD"),
    )


def _costs_table(rows: Sequence[CostRow], *, by: By, since: datetime) -> Table:
    table = _table(by, ("calls", "cost", "share"), f"since {moment(since)}")
    total = sum((row.cost_usd for row in rows), Decimal(0))
    for row in rows:
        share = float(row.cost_usd / total) if total else 0.0
        table.add_row(row.group, f"{row.calls:,}", usd(row.cost_usd), f"{bar(share, width=SHARE_BAR)} {percent(share):>4}")
    if len(rows) > 1:
        table.add_row("total", f"{sum(row.calls for row in rows):,}", usd(total), "", style="bold")
    return table


def _table(by: By, titles: Sequence[str], caption: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False, caption=caption, caption_justify="left")
    table.add_column(by.value + (" (UTC)" if by is By.DAY else ""), no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table
