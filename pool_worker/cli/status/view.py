"""The pool's status, drawn for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pool_client.job import Priority
from pool_worker.budget import agent_of
from pool_worker.cli.figures import NOTHING, bar, count_of, limit_words, load_colour, percent, span, until, usd
from pool_worker.cli.probation import probation_words
from pool_worker.cli.reasons import plain_reason, reason_words
from pool_worker.cli.screen import plain_table
from pool_worker.cli.status.facts import PoolStatus
from pool_worker.cli.status.grouping import GroupUse, by_key, by_provider
from pool_worker.cli.terminal import as_typed
from pool_worker.overview.budgets import BudgetUse
from pool_worker.overview.facts import WindowUse

FEW_KEYS = 8
"""So many are shown one by one."""
MOST_HOLDS = 8
MOST_WAITS = 4
MOST_SCORES = 4
MOST_BUDGETS = 8
BAR = 6
LEAST_SHARE = 0.01
"""Of a group's windows those are shown of which more is used."""


def status_view(status: PoolStatus, *, each_key: bool = False) -> RenderableType:
    """Everything on one page, the most urgent first."""
    parts: list[RenderableType] = [_headline(status), _numbers(status)]
    for section in (_queues(status), _parked(status), _holds(status), _keys(status, each_key=each_key)):
        if section is not None:
            parts += [Text(), section]
    return Group(*parts)


def _headline(status: PoolStatus) -> Text:
    return Text.assemble(("Model Pool", "bold"), f" at {status.redis}, {status.at.astimezone():%H:%M:%S}")


def _numbers(status: PoolStatus) -> Table:
    grid = _grid()
    grid.add_row("workers", _workers(status))
    grid.add_row("beat", _beat(status))
    jobs = f"{status.queued:,} queued, {status.claimed:,} claimed by workers, {status.parked.jobs:,} parked"
    grid.add_row("jobs", jobs)
    grid.add_row("calls", f"{status.calls_in_flight:,} in flight")
    if status.dead_letters:
        letters = f"{count_of(status.dead_letters, 'dead letter')}, kept until you decide: {as_typed('dead list')}"
        grid.add_row("", Text(letters, style="yellow"))
    grid.add_row("ledger", f"{count_of(status.outbox_rows, 'row')} on the way")
    for kind in ("provider", "key"):
        if health := _health(kind, status.scores):
            grid.add_row("health", f"{kind}s: {health}")
    for number, it in enumerate(status.on_probation):
        grid.add_row("" if number else "on probation", Text(f"{it.provider}: {probation_words(it)}", style="yellow"))
    if status.budgets:
        grid.add_row("money", _money(status.budgets[0]))
        for line in _budgets(status.budgets[1:]):
            grid.add_row("", Text(line))
    return grid


def _beat(status: PoolStatus) -> Text:
    if status.beat_is_active:
        return Text("active")
    if status.beat_is_starting:
        return Text("starting")
    return Text(f"not running: the ledger is not written. To start it: {as_typed('beat')}", style="yellow")


def _workers(status: PoolStatus) -> Text:
    if not status.workers:
        return Text(f"none is running. To start one: {as_typed('up')}, or {as_typed('worker')}", style="yellow")
    names = ", ".join(worker.name for worker in status.workers[:6])
    more = f" and {len(status.workers) - 6} more" if len(status.workers) > 6 else ""  # noqa: PLR2004 - as above
    return Text(f"{len(status.workers)}: {names}{more}")


def _health(kind: str, scores: Mapping[str, int]) -> str:
    """The providers, or the keys, that are the worst off: `groq 25, cerebras 40; all others 100`; empty if none is unwell."""
    of_kind = [f"{name} {score}" for scope, score in scores.items() for of, _, name in [scope.partition(":")] if of == kind]
    if not of_kind:
        return ""
    more = f" and {len(of_kind) - MOST_SCORES} more" if len(of_kind) > MOST_SCORES else ""
    return f"{', '.join(of_kind[:MOST_SCORES])}{more}; all others 100"


def _money(budget: BudgetUse) -> Text:
    share = float(budget.spent_usd / budget.limit_usd) if budget.limit_usd else 1.0
    return Text.assemble((bar(share, width=BAR), load_colour(share)), f"  {_spent(budget)}")


def _budgets(budgets: Iterable[BudgetUse]) -> list[str]:
    """A line each of agents that have spent something, and of models and keys; the fullest first."""
    found = [it for it in budgets if it.spent_usd or agent_of(it.scope) is None]
    found.sort(key=lambda it: it.spent_usd / it.limit_usd, reverse=True)
    lines = [f"{agent_of(it.scope) or it.scope.replace(':', ' ', 1)}: {_spent(it)}" for it in found[:MOST_BUDGETS]]
    more = len(found) - MOST_BUDGETS
    return [*lines, f"and {more} more"] if more > 0 else lines


def _spent(budget: BudgetUse) -> str:
    return f"{usd(budget.spent_usd)} of {usd(budget.limit_usd)} spent today"


def _queues(status: PoolStatus) -> Table | None:
    waiting = [queue for queue in status.queues if queue.total]
    if not waiting:
        return None
    order = list(reversed(Priority))
    table = plain_table("queue", *(priority.value for priority in order))
    for queue in waiting:
        name = Text(queue.queue)
        if queue.queue in status.unserved_queues:
            name.append("  no worker serves it", style="red")
        table.add_row(name, *(f"{queue.waiting[priority]:,}" for priority in order))
    return table


def _parked(status: PoolStatus) -> Table | None:
    parked = status.parked
    if not parked.jobs:
        return None
    table = plain_table("parked", "because", "first back", "last back", right=(0,))
    for wait in parked.waits[:MOST_WAITS]:
        back = (_back(due, now=status.at) for due in (wait.first_due_at, wait.last_due_at))
        table.add_row(f"{wait.jobs:,}", Text(reason_words(wait.reason)), *back)
    others = parked.jobs - sum(wait.jobs for wait in parked.waits[:MOST_WAITS])
    if others and parked.last_due_at is not None:
        table.add_row(f"{others:,}", Text("something else, or later", style="dim"), "", _back(parked.last_due_at, now=status.at))
    return table


def _back(due_at: datetime, *, now: datetime) -> str:
    """When a parked job comes back. One whose time has come goes when those before it have gone, and capacity is there."""
    return until(due_at, now=now) if due_at > now else "in turn"


def _holds(status: PoolStatus) -> Table | None:
    if not status.holds:
        return None
    table = plain_table("left alone", "for", "because", right=())
    for hold in status.holds[:MOST_HOLDS]:
        left_s = max(0.0, (hold.until - status.at).total_seconds())
        table.add_row(Text(f"{hold.kind} {hold.name}"), span(left_s), Text(plain_reason(hold.reason)))
    if len(status.holds) > MOST_HOLDS:
        table.add_row(Text(f"and {len(status.holds) - MOST_HOLDS:,} more", style="dim"), "", "")
    return table


def _keys(status: PoolStatus, *, each_key: bool) -> Table | None:
    keys = [key for key in status.keys if key.windows or key.calls_in_flight]
    if not keys:
        return None
    one_by_one = each_key or len(keys) <= FEW_KEYS
    table = plain_table(
        "key" if one_by_one else "provider", "calls", "window", "", "used", "of", "", "all back in", right=(1, 4, 5, 6, 7)
    )
    table.padding = (0, 1, 0, 0)
    for group in by_key(keys) if one_by_one else by_provider(keys):
        for row in _rows(group, status, least=0.0 if one_by_one else LEAST_SHARE):
            table.add_row(*row)
    return table


def _rows(group: GroupUse, status: PoolStatus, *, least: float) -> Iterator[tuple[str | Text, ...]]:
    """The windows of which more than `least` is used or the limit is lowered, and the tightest one in any case."""
    name, calls = f"{group.name}" + (f" ×{group.keys}" if group.keys > 1 else ""), f"{group.calls_in_flight or NOTHING}"
    for window in group.windows or (None,):
        if window is None:
            yield Text(name), calls, *[""] * 6
        elif window.share > least or window.is_lowered or window is group.tightest:
            left_s = (window.resets_at - status.at).total_seconds()
            back_in = span(max(0.0, left_s)) if window.used else ""
            figures = (f"{window.used:,}", limit_words(window.limit, window.configured), percent(window.share))
            yield Text(name), calls, window.words, _bar(window), *figures, back_in
            name = calls = ""


def _bar(window: WindowUse) -> Text:
    return Text(bar(window.share, width=BAR), style=load_colour(window.share))


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    return grid
