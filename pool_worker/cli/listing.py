"""What `usage` and `costs` share: their options, the ledger, their output as table, JSON or CSV, and what is said of nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import Engine

from pool_worker.cli.csv_output import print_csv
from pool_worker.cli.figures import moment
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.ledger_reading import ledger_place, open_ledger
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import show
from pool_worker.cli.since import RIGHT, parse_since
from pool_worker.cli.terminal import err
from pool_worker.ledger.calls import EVERYTHING, By, Only
from pool_worker.settings import Settings

ByOption = Annotated[By, typer.Option("--by", help="What to group by.")]
SinceOption = Annotated[str, typer.Option(metavar="TIME", help=f"From when on: {RIGHT.removeprefix('write ')}.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="As CSV, with a line of names.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What was asked for, and the ledger that has the answer."""

    engine: Engine
    settings: Settings
    since: datetime
    now: datetime
    as_json: bool
    as_csv: bool

    def print(self, rows: Sequence[Any], kind: type[Any], table: Callable[[], Table], *, only: Only = EVERYTHING) -> None:
        """Print dataclasses of one kind as they were asked for; where there are none, say so in place of a table."""
        if self.as_json:
            print_json_list(rows)
        elif self.as_csv:
            print_csv([field.name for field in fields(kind)], map(asdict, rows))
        elif rows:
            show(table())
        else:
            _tell_empty(self, only)


@contextmanager
def open_listing(since: str, *, as_json: bool, as_csv: bool) -> Iterator[Listing]:
    """The ledger, opened for what the options ask for.

    Raises:
        typer.BadParameter: if they ask for two forms, or `since` is no time.
        CommandError: if there is no ledger yet.
    """
    if as_json and as_csv:
        msg = "print either of them"
        raise typer.BadParameter(msg, param_hint="--json / --csv")
    now = datetime.now(UTC)
    from_then = parse_since(since, now=now)
    settings = connected_settings(Settings())
    with open_ledger(settings) as engine:
        yield Listing(engine=engine, settings=settings, since=from_then, now=now, as_json=as_json, as_csv=as_csv)


def listing_table(by: By, titles: Sequence[str], caption: str) -> Table:
    """The table of a report: its groups, and figures to the right."""
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False, caption=caption, caption_justify="left")
    table.add_column(by.value + (" (UTC)" if by is By.DAY else ""), no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _tell_empty(listing: Listing, only: Only) -> None:
    err.print(f"no calls{_of(only)} since {moment(listing.since)} in {ledger_place(listing.settings)}", markup=False)
    err.print('submit one with `model-pool submit "Why is the sky blue?"`, or look further back with --since 7d', style="dim")


def _of(only: Mapping[By, str]) -> str:
    return "".join(f" of {group} {value}" for group, value in only.items())
