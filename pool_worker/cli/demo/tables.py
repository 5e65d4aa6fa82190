"""The account, drawn for a page of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pool_worker.cli.demo.account import Account, Check, ProviderAccount, UsageShare
from pool_worker.cli.demo.waits import WaitAccount
from pool_worker.cli.figures import NOTHING, bar, count_of, milliseconds, percent, usd
from pool_worker.cli.reasons import outcome_words
from pool_worker.registry import Model

WIDTH = 80
BAR = 6


def account_view(account: Account, checks: Sequence[Check], *, compared: Model | None) -> RenderableType:
    """Tables, then sentences, then the checks."""
    return Group(
        Text(),
        _providers(account.providers),
        _what_capacity_is(account.providers),
        Text(),
        _agents(account),
        Text("times are medians and begin with the submission", style="dim"),
        Text(),
        _sentences(account, compared),
        Text(),
        *(_check(check) for check in checks),
    )


def _providers(providers: Sequence[ProviderAccount]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("provider, key", no_wrap=True)
    for title in ("calls", "tokens in", "out", "mean", "p95", "refused", "errors"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("capacity", no_wrap=True)
    for provider in providers:
        many = len(provider.keys) > 1
        total = provider.total.usage.group
        name = f"{total} ×{len(provider.keys)}" if many else provider.keys[0].usage.group if provider.keys else total
        table.add_row(name, *_cells(provider.total))
        for place, key in enumerate(provider.keys if many else (), start=1):
            sign = "└" if place == len(provider.keys) else "├"
            table.add_row(f" {sign} {key.usage.group}", *_cells(key), style="dim")
    return table


def _cells(share: UsageShare) -> tuple[str | Text, ...]:
    usage = share.usage
    return (
        f"{usage.calls:,}",
        f"{usage.input_tokens:,}",
        f"{usage.output_tokens:,}",
        milliseconds(usage.avg_latency_ms),
        milliseconds(usage.p95_latency_ms),
        _unwanted(usage.refusals),
        _unwanted(usage.errors),
        Text.assemble((bar(share.peak.share, width=BAR), "green"), f" {percent(share.peak.share):>4}"),
    )


def _what_capacity_is(providers: Sequence[ProviderAccount]) -> Text:
    """Of which window: of the sort that most providers are fullest in, and of which others."""
    windows: dict[str, list[str]] = {}
    for provider in providers:
        if provider.total.peak.window:
            windows.setdefault(provider.total.peak.window, []).append(provider.total.usage.group)
    usual, *others = sorted(windows, key=lambda window: -len(windows[window])) or ["requests/min"]
    but = "".join(f"; {', '.join(windows[window])}: {window}" for window in others)
    return Text(f"capacity: how much of the limit on {usual} was in use at the busiest moment{but}", style="dim")


def _unwanted(number: int) -> Text:
    return Text(str(number), style="red") if number else Text(NOTHING, style="dim")


def _agents(account: Account) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("agent")
    for title in ("jobs", "answered", "first call after", "answer after", "slowest"):
        table.add_column(title, justify="right")
    for each in account.agents:
        times = (milliseconds(each.wait_ms), milliseconds(each.answer_ms), milliseconds(each.longest_ms))
        table.add_row(each.agent, str(each.jobs), str(each.answered), *times)
    return table


def _sentences(account: Account, compared: Model | None) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    best = f"{account.best_second} of them in the best second"
    grid.add_row("throughput", f"{count_of(len(account.ended), 'job')} in {account.took_s:.1f} s, {best}")
    grid.add_row("failovers", _failovers(account))
    for (provider, outcome), number in account.failovers.reasons.most_common():
        grid.add_row("", Text(f"{number} × {provider}: {outcome_words(outcome)}", style="dim"))
    grid.add_row("moves", f"{account.hops.total()} times a job went on to the queue of a provider that had room")
    if account.hops:
        grid.add_row("", Text(", ".join(f"{queue} {count}" for queue, count in account.hops.most_common()), style="dim"))
    grid.add_row("waits", _waits(account.waits[0]) if account.waits else "no job had to wait for capacity")
    for wait in account.waits[1:]:
        grid.add_row("", _waits(wait))
    grid.add_row("cost", _cost(account, compared))
    return grid


def _failovers(account: Account) -> str:
    failovers = account.failovers
    if not failovers.reasons:
        return "none was needed"
    calls, jobs = count_of(failovers.reasons.total(), "call"), count_of(failovers.jobs, "job")
    text = f"{calls} of {jobs} failed, and the jobs went on elsewhere"
    if failovers.added_ms:
        text += (
            f"; that added {milliseconds(median(failovers.added_ms))} (median), {milliseconds(failovers.added_ms[-1])} at most"
        )
    return text


def _waits(wait: WaitAccount) -> str:
    text = f"{count_of(wait.jobs, 'job')} had to wait, parked: {wait.reason}"
    if not wait.answered_after_ms:
        return text
    typical, longest = milliseconds(median(wait.answered_after_ms)), milliseconds(wait.answered_after_ms[-1])
    return f"{text}; the calls that answered them began after {typical} (median), {longest} at most"


def _cost(account: Account, compared: Model | None) -> str:
    tokens = f"{account.usage.input_tokens:,} tokens in, {account.usage.output_tokens:,} out"
    if compared is None:
        return f"{usd(account.cost_usd)} for {tokens}"
    return (
        f"{usd(account.cost_usd)} for {tokens} (at {compared.name}'s list price: {usd(compared.price.cost_usd(account.usage))})"
    )


def _check(check: Check) -> Text:
    sign, colour = ("✓", "green") if check.holds else ("✗", "bold red") if check.must_hold else ("!", "bold yellow")
    return Text.assemble((sign, colour), f" {check.text}")
