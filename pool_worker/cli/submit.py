"""`model-pool submit`: one job from the command line, and its answer."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pool_client import Pool
from pool_client.errors import InvalidRequestError, StatsUnavailableError
from pool_client.job import OnExhausted, Priority, Tier
from pool_client.options import JobOptions
from pool_worker.cli.json_output import print_json_object
from pool_worker.cli.names import check_name
from pool_worker.cli.reaching import reach
from pool_worker.cli.result import TimeoutOption, print_answer, print_text
from pool_worker.cli.terminal import out

STDIN = "-"
FIELD = re.compile(r"(?:^|(?<=; ))(\w+)(?:\.\d+)?:")
OPTIONS = {"deadline_s": "--deadline", "max_cost_usd": "--max-cost", "excluded_providers": "--exclude"} | {
    name: f"--{name.replace('_', '-')}"
    for name in ("agent", "priority", "task_type", "model", "tier", "max_tokens", "temperature", "max_latency_ms")
}
"""Field of a job → option."""


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
    on_exhausted: Annotated[OnExhausted | None, typer.Option(help="When nobody is free.")] = None,
    max_cost: Annotated[float | None, typer.Option(metavar="USD", min=0, help="The most it may cost.")] = None,
    max_latency_ms: Annotated[int | None, typer.Option(min=1, help="No model that took longer of late.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="PROVIDER", help="Not this provider; repeatable.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="A new call, also where an answer is kept.")] = False,
    timeout: TimeoutOption = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the answer, or only print the job's id.")] = True,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer's text as it arrives.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Submit one job and print its answer. The answer goes to stdout, everything about it to stderr."""
    if stream and (as_json or not wait or timeout is not None):
        msg = "leave out --json, --no-wait and --timeout: it prints to the end"
        raise typer.BadParameter(msg, param_hint="--stream")
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
        "max_cost_usd": max_cost,
        "max_latency_ms": max_latency_ms,
        "excluded_providers": exclude,
        "cache": False if no_cache else None,
        "stream": stream,
    }
    with Pool(agent=agent, redis_url=url) as pool:
        _check_providers(exclude or (), pool)
        try:
            job = pool.submit(text, **options)
        except InvalidRequestError as error:
            raise InvalidRequestError(_in_options(str(error))) from None
        if stream:
            print_text(job)
        elif wait:
            print_answer(job, url, timeout_s=timeout, as_json=as_json)
        elif as_json:
            print_json_object({"job_id": job.id})
        else:
            out.print(job.id, markup=False)


def _prompt(prompt: str | None, file: Path | None) -> str:
    if (prompt is None) == (file is None):
        msg = f'give a prompt ("Why is the sky blue?"), {STDIN} to read it from stdin, or --file, and only one of them'
        raise typer.BadParameter(msg, param_hint="PROMPT")
    place = str(file or ("stdin" if prompt == STDIN else "PROMPT"))
    try:
        text = file.read_text(encoding="utf-8") if file is not None else sys.stdin.read() if prompt == STDIN else str(prompt)
    except UnicodeDecodeError:
        msg = "is not UTF-8 text"
        raise typer.BadParameter(msg, param_hint=place) from None
    if not text.strip():
        msg = "is empty; give a text"
        raise typer.BadParameter(msg, param_hint=place)
    return text


def _check_providers(excluded: Sequence[str], pool: Pool) -> None:
    """A name that is no provider's would exclude nobody. Not checked while no worker has said which there are."""
    if not excluded:
        return
    try:
        known = {model.provider for model in pool.models()}
    except StatsUnavailableError:
        return
    for name in excluded:
        check_name(name, known, option="--exclude", what="a provider of any model")


def _in_options(words: str) -> str:
    """A refusal that names fields, as one that names this command's options."""
    return FIELD.sub(lambda field: OPTIONS.get(field[1], field[1]) + ":", words)
