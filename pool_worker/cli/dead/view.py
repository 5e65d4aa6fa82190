"""Dead letters, drawn."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pool_worker.broker.dead_letters import DeadLetter
from pool_worker.cli.figures import NOTHING, moment, span
from pool_worker.cli.job.facts import JobFacts
from pool_worker.cli.job.view import job_view
from pool_worker.cli.terminal import as_typed

FORGOTTEN = "its job is not known any more"


def letters_table(letters: Sequence[DeadLetter]) -> Table:
    """One line each."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("id", overflow="fold")
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("queue", overflow="fold")
    table.add_column("deliveries", justify="right")
    table.add_column("reason", overflow="fold")
    for letter in letters:
        cells = (letter.id, span(letter.age_s), _what(letter), letter.queue, str(letter.deliveries), letter.reason)
        table.add_row(*map(Text, cells))
    return table


def letter_view(letter: DeadLetter, job: JobFacts | None) -> RenderableType:
    """One of them, what can be done about it, and what is known of its job."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    grid.add_row("reason", Text(letter.reason, style="red"))
    grid.add_row("buried", f"{moment(letter.buried_at)}  ({span(letter.age_s)} ago)")
    grid.add_row("queue", Text(letter.queue))
    grid.add_row("task", Text(letter.task or NOTHING))
    grid.add_row("task id", Text(letter.task_id or NOTHING))
    grid.add_row("deliveries", str(letter.deliveries))
    grid.add_row("try again", Text(as_typed(f"dead retry {letter.id}")))
    grid.add_row("forget it", Text(as_typed(f"dead drop {letter.id}")))
    parts: list[RenderableType] = [Text.assemble("dead letter ", (letter.id, "bold"), f"  {_what(letter)}"), grid]
    if job is not None:
        parts += [Text(), job_view(job)]
    elif letter.job_id is not None:
        parts += [Text(), Text(f"of its job {letter.job_id} this release can show nothing", style="dim")]
    return Group(*parts)


def printable(content: bytes) -> str:
    """Bytes as text: what is no text, or would do something to a terminal, is escaped."""
    text = content.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _what(letter: DeadLetter) -> str:
    if letter.job_id is not None:
        return "job"
    return letter.task or "unreadable"
