"""What the demo shows while it runs: a live view in a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pool_client.job import JobState
from pool_worker.cli.figures import bar, load_colour, percent
from pool_worker.cli.status.grouping import GroupUse
from pool_worker.cli.terminal import out

LINE_EVERY_S = 2.0
BAR = 20
JOBS_BAR = 40
SHOWN_EVENTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The demo at one moment."""

    elapsed_s: float
    planned: int
    submitted: int
    ended: int
    failed: int
    states: Counter[JobState]
    """Of the jobs that have not ended."""
    jobs_per_s: float
    """Ended within the last seconds."""
    providers: Sequence[GroupUse]
    calls: Counter[str]
    """By provider, as the ended jobs' trails have them."""
    failed_calls: Counter[str]
    down: str | None = None
    """The provider that fails at the moment."""


class Screen(Protocol):
    """Who is shown the progress."""

    def show(self, progress: Progress) -> None:
        """The demo goes on."""

    def event(self, at_s: float, text: str) -> None:
        """Something happened that is worth a line."""

    def __enter__(self) -> Self:
        """From now on."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the terminal as it was."""


class LiveScreen:
    """One view that is drawn anew in place; the last one stays."""

    def __init__(self) -> None:
        self._events: list[str] = []
        self._live = Live(console=out, auto_refresh=False, transient=True)

    def show(self, progress: Progress) -> None:
        """Draw it anew."""
        self._live.update(_view(progress, self._events[-SHOWN_EVENTS:]), refresh=True)

    def event(self, at_s: float, text: str) -> None:
        """Add it to the last events."""
        self._events.append(f"{at_s:5.1f} s  {text}")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()
        for line in self._events:
            out.print(Text(line, style="dim"))


class LineScreen:
    """A line every two seconds, and one for each event."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def show(self, progress: Progress) -> None:
        """A line, if it is time for one."""
        if progress.elapsed_s >= self._next_s:
            self._next_s = progress.elapsed_s + LINE_EVERY_S
            typer.echo(f"{progress.elapsed_s:5.1f} s  {_sentence(progress)}")

    def event(self, at_s: float, text: str) -> None:
        """A line."""
        typer.echo(f"{at_s:5.1f} s  {text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to put right."""


def open_screen() -> Screen:
    """What suits stdout."""
    return LiveScreen() if out.is_terminal else LineScreen()


def _sentence(progress: Progress) -> str:
    states = "".join(f", {count} {state.value}" for state, count in sorted(progress.states.items()) if count)
    failed = f", {progress.failed} failed" if progress.failed else ""
    answered = f"{progress.ended - progress.failed} answered{failed}{states}"
    return f"{progress.submitted} of {progress.planned} submitted, {answered}, {progress.jobs_per_s:.0f} jobs/s"


def _view(progress: Progress, events: Sequence[str]) -> RenderableType:
    share = progress.ended / progress.planned if progress.planned else 0.0
    head = Text.assemble(
        (bar(share, width=JOBS_BAR), "bold"), f"  {progress.ended} of {progress.planned} jobs, {progress.jobs_per_s:.0f} a second"
    )
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("provider", "calls", "failed"):
        table.add_column(title, justify="left" if title == "provider" else "right")
    table.add_column("capacity in use")
    for group in progress.providers:
        table.add_row(*_row(group, progress))
    lines = [Text(line, style="dim") for line in events]
    return Group(head, Text(_sentence(progress), style="dim"), Text(), table, Text(), *lines)


def _row(group: GroupUse, progress: Progress) -> tuple[str | Text, ...]:
    window = group.tightest
    share = window.share if window is not None else 0.0
    name = Text(group.name, style="red" if group.name == progress.down else "")
    kind = "" if window is None or not share else f"  of {window.words}"
    load = Text.assemble((bar(share, width=BAR), load_colour(share)), f" {percent(share):>4}", (kind, "dim"))
    if group.name == progress.down:
        load = Text("down", style="bold red")
    failed = progress.failed_calls[group.name]
    return (
        name,
        str(progress.calls[group.name]),
        Text(str(failed) if failed else "", style="red"),
        load,
    )
