"""`model-pool result ID`: the answer of one job, now or when it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.text import Text

from pool_client import Pool
from pool_client.errors import InvalidRequestError, JobTimeoutError, PoolError, PoolUnavailableError, TextRestartedError
from pool_client.handle import JobHandle
from pool_client.job import Result, Step
from pool_worker.cli.figures import count_of, milliseconds, moment, span, usd
from pool_worker.cli.job import find_job
from pool_worker.cli.job.view import KEPT
from pool_worker.cli.json_output import print_json_object
from pool_worker.cli.reaching import reach
from pool_worker.cli.terminal import CommandError, as_typed, err
from pool_worker.cli.waiting import Waiting

INTERRUPTED = 130
TIME_IS_OVER = 124
"""As of `timeout` of the coreutils."""

TimeoutOption = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", min=0, help="How long to wait, without it as long as it takes; the job goes on."),
]


def result(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="As `submit` gave it.")],
    *,
    timeout: TimeoutOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print the answer of one job; if it has not ended, wait for it. The answer goes to stdout, everything about it to stderr."""
    settings = reach()
    url = str(settings.redis_url)
    with Pool(redis_url=url) as pool:
        job = pool.job(job_id)
        try:
            job.status()
        except InvalidRequestError:
            facts = find_job(job_id, settings)
            msg = (
                f"job {job_id} ended at {moment(facts.finished_at)}, and Redis has its answer no more: it keeps one for {KEPT}, "
                f"unless it is emptied. What is known of it: {as_typed(f'job {job_id}')}"
            )
            raise CommandError(msg) from None
        print_answer(job, url, timeout_s=timeout, as_json=as_json)


def print_answer(job: JobHandle, url: str, *, timeout_s: float | None, as_json: bool) -> None:
    """Wait for a job and print what comes of it.

    Raises:
        CommandError: if no answer comes, or none in time.
        typer.Exit: if the failure was printed as JSON, or somebody pressed Ctrl-C.
    """
    waiting = Waiting(job, url)
    try:
        with _failures_told(job, as_json=as_json):
            answer = waiting.result(timeout_s=timeout_s)
    except (JobTimeoutError, PoolUnavailableError):
        msg = (
            f"no answer within {timeout_s:g} s: {waiting.words}\nThe job goes on. For its answer: {as_typed(f'result {job.id}')}"
        )
        raise CommandError(msg, exit_code=TIME_IS_OVER) from None
    if as_json:
        print_json_object(answer)
        return
    typer.echo(answer.content)
    err.print(Text(_about(answer), style="dim"))


def print_text(job: JobHandle) -> None:
    """Print the text of a streamed answer as it arrives, and once more from its beginning if another provider takes over.

    Raises:
        CommandError: if no answer comes.
        typer.Exit: if somebody pressed Ctrl-C.
    """
    with _failures_told(job, as_json=False):
        while not _is_whole_text_printed(job):
            err.print(Text("\nthe provider failed in the middle; from the beginning, from another one:", style="yellow"))
        answer = job.result()
    typer.echo()
    err.print(Text(_about(answer), style="dim"))


def _is_whole_text_printed(job: JobHandle) -> bool:
    try:
        for piece in job:
            typer.echo(piece, nl=False)
            sys.stdout.flush()
    except TextRestartedError:
        return False
    return True


@contextmanager
def _failures_told(job: JobHandle, *, as_json: bool) -> Iterator[None]:
    """How a job failed, in words and with what to do next; waits that end are the caller's matter."""
    try:
        yield
    except (JobTimeoutError, PoolUnavailableError):
        raise
    except PoolError as error:
        if as_json and error.failure is not None:
            print_json_object(error.failure)
            raise typer.Exit(1) from None
        if error.failure is None:
            raise
        retry_after_s = error.failure.retry_after_s
        when = "" if retry_after_s is None else f"\nAnother try may succeed in {span(retry_after_s)}"
        msg = f"{error}{when}\nThe whole story: {as_typed(f'job {job.id}')}"
        raise CommandError(msg) from None
    except KeyboardInterrupt:
        err.print(Text(f"the job goes on; for its answer: {as_typed(f'result {job.id}')}"))
        raise typer.Exit(INTERRUPTED) from None


def _about(answer: Result) -> str:
    """Where the answer comes from and what it took, and in a second line why that model was chosen."""
    key = next((attempt.key_id for attempt in reversed(answer.attempts) if attempt.outcome == Step.OK), None)
    calls = sum(attempt.is_call for attempt in answer.attempts)
    marks = [word for word, holds in (("degraded", answer.degraded), ("cached", answer.cached)) if holds]
    if answer.tool_calls:
        marks.append(f"{count_of(len(answer.tool_calls), 'tool call')}, shown by --json")
    usage = f"{answer.usage.input_tokens:,} tokens in, {answer.usage.output_tokens:,} out"
    facts = [answer.model_id, key or answer.provider, usage, milliseconds(answer.latency_ms), usd(answer.cost_usd), *marks]
    if calls > 1:
        facts.append(count_of(calls, "attempt"))
    took = " · ".join(facts)
    return took if answer.selection is None else f"{took}\nchosen: {answer.selection.reason}"
