"""`model-pool usage`: what the ledger says was called, and how it went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Engine

from pool_client.agents import USUAL_AGENT
from pool_worker.cli.figures import NOTHING, milliseconds, moment, percent, usd
from pool_worker.cli.listing import ByOption, CsvOption, JsonOption, SinceOption, listing_table, open_listing
from pool_worker.cli.models.known import keys_in_vault
from pool_worker.cli.names import check_name
from pool_worker.config import load_registry
from pool_worker.ledger import reports
from pool_worker.ledger.calls import By, Only
from pool_worker.ledger.reports import UsageRow
from pool_worker.settings import Settings


def usage(
    *,
    by: ByOption = By.MODEL,
    since: SinceOption = "24h",
    model: Annotated[str | None, typer.Option(metavar="ID", help="Only this model.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    key: Annotated[str | None, typer.Option(metavar="ID", help="Only this key, e.g. groq#1.")] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show calls, tokens, latencies and costs from the ledger, where they arrive about a second after the call."""
    asked = {By.MODEL: model, By.AGENT: agent, By.PROVIDER: provider, By.KEY: key}
    only = {group: value for group, value in asked.items() if value is not None}
    with open_listing(since, as_json=as_json, as_csv=as_csv) as listing:
        _check_names(only, listing.engine, listing.settings)
        rows = reports.usage(listing.engine, since=listing.since, by=by, only=only)
        listing.print(rows, UsageRow, lambda: _table(rows, by=by, since=listing.since), only=only)


def _check_names(only: Only, engine: Engine, settings: Settings) -> None:
    """A name is a mistake that is neither in the configuration nor in the vault, nor in the ledger, where earlier ones are."""
    if not only:
        return
    registry = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
    configured: Mapping[By, Iterable[str]] = {
        By.MODEL: registry.models,
        By.PROVIDER: registry.providers,
        By.AGENT: (USUAL_AGENT, *registry.agents),
        By.KEY: (key.id for key in keys_in_vault(settings)),
    }
    for group, name in only.items():
        known = {*configured[group], *reports.names_of(engine, group)}
        article = "an" if group is By.AGENT else "a"
        check_name(name, known, option=f"--{group}", what=f"{article} {group}, and no call of it is known")


def _table(rows: Sequence[UsageRow], *, by: By, since: datetime) -> Table:
    titles = ("calls", "ok", "refused", "errors", "in", "out", "USD", "mean", "p50", "p95", "p99")
    table = listing_table(by, titles, f"in, out: tokens; latencies of the calls that were answered; since {moment(since)}")
    for row in rows:
        latencies = (row.avg_latency_ms, row.p50_latency_ms, row.p95_latency_ms, row.p99_latency_ms)
        table.add_row(row.group, *_sums([row]), *map(milliseconds, latencies))
    if len(rows) > 1:
        table.add_row("total", *_sums(rows), style="bold")
    return table


def _sums(rows: Sequence[UsageRow]) -> tuple[str, ...]:
    calls = sum(row.calls for row in rows)
    successes = sum(row.successes for row in rows)
    refusals, errors = sum(row.refusals for row in rows), sum(row.errors for row in rows)
    return (
        f"{calls:,}",
        percent(successes / calls) if calls else NOTHING,
        f"{refusals:,}" if refusals else NOTHING,
        f"{errors:,}" if errors else NOTHING,
        f"{sum(row.input_tokens for row in rows):,}",
        f"{sum(row.output_tokens for row in rows):,}",
        usd(sum((row.cost_usd for row in rows), Decimal(0))).removesuffix(" USD"),
    )
