"""Views on stdout: in a terminal at its width, elsewhere wide enough that no line is folded, and without blanks at the ends."""

from __future__ import annotations

import io
import os

import typer
from rich.console import Console, RenderableType
from rich.table import Table

from pool_worker.cli.terminal import out

WIDTH_OF_FILES = 160


def show(view: RenderableType, *, width: int = WIDTH_OF_FILES) -> None:
    """Print a view. `width` is for files and pipes; the variable COLUMNS overrides it."""
    if out.is_terminal:
        out.print(view)
        return
    columns = os.environ.get("COLUMNS", "")
    for line in as_text(view, width=int(columns) if columns.isdigit() else width).splitlines():
        typer.echo(line.rstrip())


def plain_table(*titles: str, right: tuple[int, ...] | None = None) -> Table:
    """A table without lines; all but the first column to the right, unless `right` says which."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for place, title in enumerate(titles):
        to_the_right = place > 0 if right is None else place in right
        table.add_column(title, justify="right" if to_the_right else "left", overflow="fold")
    return table


def as_text(view: RenderableType, *, width: int) -> str:
    """A view as plain characters."""
    page = io.StringIO()
    Console(file=page, width=width, highlight=False, color_system=None, force_terminal=False).print(view)
    return page.getvalue()
