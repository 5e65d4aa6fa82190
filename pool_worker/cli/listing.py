"""What `usage` and `costs` share: their options, their output as table, JSON or CSV, and what is said where there is nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import Engine

from pool_worker.cli.csv_output import print_csv
from pool_worker.cli.figures import moment
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.ledger_reading import ledger_place
from pool_worker.cli.screen import show
from pool_worker.cli.since import RIGHT
from pool_worker.cli.terminal import err
from pool_worker.config.mistakes import did_you_mean
from pool_worker.ledger import reports
from pool_worker.ledger.calls import EVERYTHING, By, Only
from pool_worker.settings import Settings

ByOption = Annotated[By, typer.Option("--by", help="What to group by.")]
SinceOption = Annotated[str, typer.Option(metavar="TIME", help=f"From when on: {RIGHT.removeprefix('write ')}.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="As CSV, with a line of names.")]


def refuse_both(*, as_json: bool, as_csv: bool) -> None:
    """One form at a time.

    Raises:
        typer.BadParameter: if two are asked for.
    """
    if as_json and as_csv:
        msg = "print either of them"
        raise typer.BadParameter(msg, param_hint="--json / --csv")


def print_listing(
    rows: Sequence[Any], kind: type[Any], table: Callable[[], Table], *, as_json: bool, as_csv: bool, empty: Callable[[], None]
) -> None:
    """Print dataclasses of one kind as they were asked for; `empty` is called in place of a table without rows."""
    if as_json:
        print_json_list(rows)
    elif as_csv:
        print_csv([field.name for field in fields(kind)], map(asdict, rows))
    elif rows:
        show(table())
    else:
        empty()


def listing_table(by: By, titles: Sequence[str], caption: str) -> Table:
    """The table of a report: its groups, and figures to the right."""
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False, caption=caption, caption_justify="left")
    table.add_column(by.value + (" (UTC)" if by is By.DAY else ""), no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def tell_empty(engine: Engine, settings: Settings, *, since: datetime, only: Only = EVERYTHING) -> None:
    """Say that there were no such calls; of a name that no call ever had, which there are."""
    err.print(f"no calls{_of(only)} since {moment(since)} in {ledger_place(settings)}", markup=False)
    unknown = {group: names for group, value in only.items() if value not in (names := reports.names_of(engine, group))}
    for group, names in unknown.items():
        err.print(f"no call of {group} {only[group]} is in the ledger: {did_you_mean(only[group], names)}", markup=False)
    if not unknown:
        err.print('submit one with `model-pool submit "Why is the sky blue?"`, or look further back with --since 7d', style="dim")


def _of(only: Mapping[By, str]) -> str:
    return "".join(f" of {group} {value}" for group, value in only.items())
