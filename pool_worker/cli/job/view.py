"""One job, drawn."""

from __future__ import annotations

from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pool_client.job import Attempt, JobState, Step
from pool_client.redis_keys import RESULT_TTL_MS
from pool_worker.cli.figures import NOTHING, count_of, milliseconds, moment, usd
from pool_worker.cli.job.facts import JobFacts
from pool_worker.cli.reasons import outcome_words

KEPT = f"{RESULT_TTL_MS // 3_600_000} hours"
"""For how long an answer can be had."""
STATE_COLOURS = {
    JobState.QUEUED: "cyan",
    JobState.RUNNING: "blue",
    JobState.PARKED: "yellow",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.CANCELLED: "magenta",
}
OUTCOME_COLOURS = {Step.OK.value: "green", Step.MOVED.value: "cyan", Step.PAUSED.value: "yellow"}


def job_view(facts: JobFacts) -> RenderableType:
    """What is known of it, and its trail; `answer_text` goes below."""
    parts: list[RenderableType] = [_headline(facts), _facts(facts)]
    parts += [Text(), _trail(facts.attempts)] if facts.attempts else [Text(_nothing_tried(facts.state), style="dim")]
    if any(attempt.reason for attempt in facts.attempts):
        parts += [Text(), Text("why", style="bold"), _reasons(facts.attempts)]
    if facts.state is JobState.SUCCEEDED:
        parts += [Text(), Text("answer", style="bold")]
    return Group(*parts)


def answer_text(facts: JobFacts) -> str:
    """What stands below the view of a job that succeeded: its answer as it is, in lines of its own length."""
    if facts.content is None:
        return f"(Redis alone has answers, and for no longer than {KEPT})"
    if not facts.content and facts.tool_calls:
        return f"({count_of(len(facts.tool_calls), 'tool call')}, shown by --json)"
    return facts.content


def _headline(facts: JobFacts) -> Text:
    state = "not ended, as far as the ledger knows" if facts.state is None else facts.state.value
    colour = "dim" if facts.state is None else STATE_COLOURS[facts.state]
    marks = [" (degraded: a lesser answer)"] if facts.degraded else []
    return Text.assemble("job ", (facts.job_id, "bold"), "  ", (state, f"bold {colour}"), *marks)


def _facts(facts: JobFacts) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    grid.add_row("agent", f"{facts.agent or NOTHING}, priority {facts.priority.value if facts.priority else NOTHING}")
    grid.add_row("queue", (facts.queue or NOTHING) + (f", after {facts.hops} hops" if facts.hops > 1 else ""))
    grid.add_row("submitted", moment(facts.submitted_at))
    if facts.started_at is not None:
        grid.add_row("started", _after(facts.submitted_at, facts.started_at))
    if facts.restarts:
        grid.add_row("begun again", f"{count_of(facts.restarts, 'time')}: its worker had left, or was lost")
    if facts.where is not None:
        grid.add_row("now", Text(facts.where))
    if facts.finished_at is not None:
        grid.add_row("ended", _after(facts.submitted_at, facts.finished_at))
    if facts.model_id:
        score = None if facts.selection is None else facts.selection.score
        grid.add_row("model", Text(f"{facts.model_id}{_scored(score)}"))
    if facts.selection is not None:
        grid.add_row("chosen", Text(facts.selection.reason))
        for number, other in enumerate(facts.selection.alternatives):
            grid.add_row("" if number else "and not", Text(f"{other.model_id}{_scored(other.score)}: {other.reason}"))
    if facts.error_type is not None:
        grid.add_row("error", Text(f"{facts.error_type}: {facts.error_message}", style="red"))
    grid.add_row("cost", usd(facts.cost_usd))
    if facts.source_note is not None:
        grid.add_row("source", Text(facts.source_note))
    return grid


def _nothing_tried(state: JobState | None) -> str:
    return "no call was made for it" if state is not None and state.is_final else "nothing has been tried for it yet"


def _scored(score: float | None) -> str:
    return "" if score is None else f" (score {score:.2f})"


def _after(submitted_at: datetime | None, at: datetime) -> str:
    if submitted_at is None:
        return moment(at)
    took_ms = max(0.0, (at - submitted_at).total_seconds() * 1000)
    return f"{moment(at)}  ({milliseconds(took_ms)} after submitting)"


def _trail(attempts: tuple[Attempt, ...]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("outcome")
    table.add_column("model", overflow="fold")
    table.add_column("key", overflow="fold")
    table.add_column("queue", overflow="fold")
    table.add_column("latency", justify="right", no_wrap=True)
    table.add_column("added", justify="right", no_wrap=True)
    for attempt in attempts:
        table.add_row(*_cells(attempt))
    return table


def _cells(attempt: Attempt) -> tuple[str | Text, ...]:
    return (
        str(attempt.number),
        Text(outcome_words(attempt.outcome), style=OUTCOME_COLOURS.get(attempt.outcome, "red")),
        Text(attempt.model_id or NOTHING),
        Text(attempt.key_id or attempt.provider or NOTHING),
        Text(attempt.queue),
        milliseconds(attempt.latency_ms) if attempt.is_call else NOTHING,
        milliseconds(attempt.added_ms),
    )


def _reasons(attempts: tuple[Attempt, ...]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right")
    grid.add_column(style="dim", overflow="fold")
    for attempt in attempts:
        if attempt.reason:
            grid.add_row(str(attempt.number), Text(attempt.reason))
    return grid
