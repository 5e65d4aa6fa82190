"""`model-pool costs`: what the ledger says was spent, and what today will have cost by its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

import typer
from rich.table import Table

from pool_worker.cli.csv_output import print_csv
from pool_worker.cli.figures import NOTHING, bar, count_of, moment, percent, usd
from pool_worker.cli.json_output import print_json_object
from pool_worker.cli.listing import ByOption, CsvOption, JsonOption, SinceOption, listing_table, open_listing
from pool_worker.config import load_registry
from pool_worker.ledger import reports
from pool_worker.ledger.calls import By
from pool_worker.ledger.reports import CostRow
from pool_worker.overview.spending import Today, read_today

SHARE_BAR = 12


@dataclass(frozen=True, slots=True)
class Cost:
    """One group of the listing."""

    group: str
    calls: int
    cost_usd: Decimal
    share: float
    """Of all that was spent; 0 if that is nothing."""
    budget_share: float | None
    """Of a day's budget, where the groups are days and there is a budget."""

    @classmethod
    def of(cls, row: CostRow, *, total_usd: Decimal, budget_usd: Decimal | None) -> Self:
        """A row of the ledger, with its shares."""
        share = float(row.cost_usd / total_usd) if total_usd else 0.0
        return cls(row.group, row.calls, row.cost_usd, share, float(row.cost_usd / budget_usd) if budget_usd else None)


def costs(
    *,
    by: ByOption = By.MODEL,
    since: SinceOption = "24h",
    forecast: Annotated[
        bool, typer.Option("--forecast", help="Only what today has cost, and will have cost by its end.")
    ] = False,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show what was spent, from the ledger, the dearest first, and what today will have cost by its end."""
    with open_listing(since, as_json=as_json, as_csv=as_csv) as listing:
        settings, engine = listing.settings, listing.engine
        budget = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url).budget
        if forecast:
            today = read_today(engine, budget, now=listing.now)
            _print_today(today, pauses=budget.auto_pause, as_json=as_json, as_csv=as_csv)
            return
        found = reports.costs(engine, since=listing.since, by=by)
        total_usd = sum((row.cost_usd for row in found), Decimal(0))
        rows = [Cost.of(row, total_usd=total_usd, budget_usd=budget.daily_usd if by is By.DAY else None) for row in found]
        listing.print(rows, Cost, lambda: _table(rows, by=by, since=listing.since))
        if not as_json and not as_csv:
            if unpriced := reports.unpriced_calls(engine, since=listing.since):
                typer.echo(f"{count_of(unpriced, 'call')} of models whose price is not known: counted as 0 USD")
            typer.echo(today_words(read_today(engine, budget, now=listing.now), pauses=budget.auto_pause))


def _print_today(today: Today, *, pauses: bool, as_json: bool, as_csv: bool) -> None:
    facts = {**asdict(today), "budget_share": today.budget_share}
    if as_json:
        print_json_object(facts)
    elif as_csv:
        print_csv(list(facts), [facts])
    else:
        typer.echo(today_words(today, pauses=pauses))


def today_words(today: Today, *, pauses: bool) -> str:
    """One sentence about today's money.

    Args:
        today: What is spent, and foreseen if nothing ended it.
        pauses: Whether paid models are paused when the budget is spent.
    """
    share = "" if today.budget_share is None else f" ({percent(today.budget_share)})"
    why = f"as the {today.days_looked_at} days before it" if today.days_looked_at else "at the pace so far"
    return (
        f"today: {usd(today.spent_usd).removesuffix(' USD')} of {usd(today.budget_usd)}{share}; "
        f"{usd(today.forecast_usd)} by midnight ({today.timezone}) if it goes on {why}"
        + (f", which the budget ends at {usd(today.budget_usd)}" if pauses and today.forecast_usd > today.budget_usd else "")
    )


def _table(rows: Sequence[Cost], *, by: By, since: datetime) -> Table:
    of_budget = ("of a budget",) if by is By.DAY else ()
    table = listing_table(by, ("calls", "cost", "share", *of_budget), f"since {moment(since)}")
    for row in rows:
        shares = [f"{bar(row.share, width=SHARE_BAR)} {percent(row.share):>4}"]
        if by is By.DAY:
            shares.append(NOTHING if row.budget_share is None else percent(row.budget_share))
        table.add_row(row.group, f"{row.calls:,}", usd(row.cost_usd), *shares)
    if len(rows) > 1:
        table.add_row(
            "total", f"{sum(row.calls for row in rows):,}", usd(sum((row.cost_usd for row in rows), Decimal(0))), style="bold"
        )
    return table
