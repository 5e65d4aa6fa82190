"""`model-pool submit`: one job from the command line, and its answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from pool_client import Pool
from pool_client.errors import JobTimeoutError, PoolError
from pool_client.handle import JobHandle
from pool_client.job import JobState, OnExhausted, Priority, Result, Status, Step, Tier
from pool_client.options import JobOptions
from pool_client.redis_connection import connect
from pool_worker import redis_keys
from pool_worker.cli.figures import count_of, milliseconds, moment, usd
from pool_worker.cli.json_output import print_json_object
from pool_worker.cli.reaching import reach
from pool_worker.cli.terminal import CommandError, err, out

LOOK_EVERY_S = 1.0
INTERRUPTED = 130
STDIN = "-"


def submit(
    prompt: Annotated[str | None, typer.Argument(help=f"The prompt; {STDIN} reads it from stdin.")] = None,
    *,
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A file with the prompt.")] = None,
    agent: Annotated[str, typer.Option(help="In whose name; its defaults (agents.yaml) apply.")] = "default",
    priority: Annotated[Priority | None, typer.Option(help="A higher one is served first.")] = None,
    task_type: Annotated[str | None, typer.Option(help="What kind of task it is: analysis, coding, …")] = None,
    model: Annotated[str | None, typer.Option(metavar="ID", help="Only this model: `model-pool models list`.")] = None,
    tier: Annotated[Tier | None, typer.Option(help="Where it starts.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of the answer.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2)] = None,
    deadline: Annotated[float | None, typer.Option(metavar="SECONDS", help="The answer is of no use later.")] = None,
    on_exhausted: Annotated[OnExhausted | None, typer.Option(help="When every quota is spent.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the answer, or only print the job's id.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Submit one job and print its answer. The answer goes to stdout, everything about it to stderr."""
    text = _prompt(prompt, file)
    url = str(reach().redis_url)
    options: JobOptions = {
        "priority": priority,
        "task_type": task_type,
        "model": model,
        "tier": tier,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "deadline_s": deadline,
        "on_exhausted": on_exhausted,
    }
    with Pool(agent=agent, redis_url=url) as pool:
        job = pool.submit(text, **options)
        if wait:
            _print_answer(job, url, as_json=as_json)
        elif as_json:
            print_json_object({"job_id": job.id})
        else:
            out.print(job.id, markup=False)


def _prompt(prompt: str | None, file: Path | None) -> str:
    if (prompt is None) == (file is None):
        msg = f'give a prompt ("Why is the sky blue?"), {STDIN} to read it from stdin, or --file, and only one of them'
        raise typer.BadParameter(msg, param_hint="PROMPT")
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        return sys.stdin.read() if prompt == STDIN else str(prompt)
    except UnicodeDecodeError:
        msg = "is not UTF-8 text"
        raise typer.BadParameter(msg, param_hint=str(file or "stdin")) from None


def _print_answer(job: JobHandle, url: str, *, as_json: bool) -> None:
    try:
        result = _wait(job, url)
    except PoolError as error:
        if as_json and error.failure is not None:
            print_json_object(error.failure)
            raise typer.Exit(1) from None
        if error.failure is None:
            raise
        msg = f"{error}\nThe whole story: model-pool job {job.id}"
        raise CommandError(msg) from None
    except KeyboardInterrupt:
        err.print(f"the job goes on: model-pool job {job.id}", style="dim", markup=False)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json_object(result)
        return
    typer.echo(result.content)
    err.print(Text(_about(result), style="dim"))


def _wait(job: JobHandle, url: str) -> Result:
    """Wait as long as it takes; whoever looks at a terminal sees what the job waits for."""
    looks = 0
    with err.status("waiting for the answer") as shown:
        while True:
            try:
                return job.result(timeout=LOOK_EVERY_S)
            except JobTimeoutError:
                status = job.status()
            looks += 1
            shown.update(Text(_waiting(status)))
            if looks == 1 and status.state is JobState.QUEUED and not _somebody_works(url):
                err.print("no worker is running: the job waits for one (`model-pool up`)", style="yellow")


def _waiting(status: Status) -> str:
    if status.state is JobState.PARKED:
        return f"parked until {moment(status.waits_until)} ({status.wait_reason}); Ctrl-C leaves it to itself"
    return f"{status.state.value} in {status.queue}; Ctrl-C leaves it to itself"


def _somebody_works(url: str) -> bool:
    with connect(url) as client:
        return next(client.scan_iter(redis_keys.worker("*"), count=1000), None) is not None


def _about(result: Result) -> str:
    """One line: where the answer comes from, and what it took."""
    key = next((attempt.key_id for attempt in reversed(result.attempts) if attempt.outcome == Step.OK), None)
    calls = sum(attempt.is_call for attempt in result.attempts)
    marks = [word for word, holds in (("degraded", result.degraded), ("cached", result.cached)) if holds]
    usage = f"{result.usage.input_tokens:,} tokens in, {result.usage.output_tokens:,} out"
    facts = [result.model_id, key or result.provider, usage, milliseconds(result.latency_ms), usd(result.cost_usd), *marks]
    if calls > 1:
        facts.append(count_of(calls, "attempt"))
    return " · ".join(facts)
