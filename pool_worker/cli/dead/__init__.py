"""`model-pool dead …`: messages that could not be worked on, to be tried again or to be dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated

import typer

from pool_client.errors import ConfigurationError
from pool_client.redis_connection import connect
from pool_worker.broker.dead_letters import REVIVED, UNKNOWN, DeadLetter, DeadLetters
from pool_worker.cli.dead.view import FORGOTTEN, letter_view, letters_table, printable
from pool_worker.cli.figures import count_of
from pool_worker.cli.job import find_job
from pool_worker.cli.job.facts import JobFacts
from pool_worker.cli.json_output import print_json_list, print_json_object
from pool_worker.cli.reaching import reach
from pool_worker.cli.screen import show
from pool_worker.cli.terminal import CommandError, as_typed, err, out
from pool_worker.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `dead list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All there are.")]


@app.callback()
def dead() -> None:
    """Messages that could not be worked on: kept until somebody has them tried again, or drops them."""


@app.command("list")
def list_command(
    *, limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many at most.")] = 100, as_json: AsJson = False
) -> None:
    """List dead letters, the newest first."""
    with _reached() as (letters, _):
        found, count = letters.newest(limit=limit), letters.count()
    if as_json:
        print_json_list(found)
    elif found:
        show(letters_table(found))
        if count > len(found):
            err.print(f"and {count - len(found):,} older: --limit shows more")
    else:
        err.print("no dead letters: all is well")


@app.command("show")
def show_command(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `dead list` shows it.")],
    *,
    body: Annotated[
        bool, typer.Option("--body", help="Also the message itself. (A job's has its id in it, not its prompt.)")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter, and what is known of its job."""
    with _reached() as (letters, settings):
        [letter] = _named(letters, [letter_id])
        message = (letters.message(letter_id) or b"") if body else None
    job = None if letter.job_id is None else _job(letter.job_id, settings)
    contents = {} if message is None else _contents(message)
    if as_json:
        print_json_object({"letter": letter, "job": job, **contents})
        return
    show(letter_view(letter, job))
    for name, text in contents.items():
        typer.echo(f"\n{name}\n{text}")


@app.command("retry")
def retry_command(ids: Ids = None, *, every: All = False) -> None:
    """Put messages back at the end of their queues; their jobs wait again."""

    def retry(letters: DeadLetters, letter: DeadLetter) -> str | None:
        became = letters.revive(letter)
        if became == REVIVED:
            out.print(f"{letter.id} is back in the queue {letter.queue}", markup=False)
            return None
        if became == UNKNOWN:
            return f"{letter.id} is gone: somebody else was quicker"
        state = FORGOTTEN if became == "forgotten" else f"its job is {became} by now"
        return f"{letter.id} stays: {state}. `{as_typed(f'dead drop {letter.id}')}` forgets it"

    _each(ids, retry, every=every)


@app.command("drop")
def drop_command(ids: Ids = None, *, every: All = False) -> None:
    """Forget messages for good; their jobs stay failed."""

    def drop(letters: DeadLetters, letter: DeadLetter) -> str | None:
        if not letters.drop(letter):
            return f"{letter.id} is gone: somebody else was quicker"
        out.print(f"{letter.id} is dropped", markup=False)
        return None

    _each(ids, drop, every=every)


def _each(ids: list[str] | None, do: Callable[[DeadLetters, DeadLetter], str | None], *, every: bool) -> None:
    """Do it to each that was named (to none if one is unknown), or to all, the oldest first; complaints come in the end."""
    if every == bool(ids):
        msg = f"name dead letters by their ids, as `{as_typed('dead list')}` shows them, or all of them by --all"
        raise CommandError(msg, exit_code=2)
    with _reached() as (letters, _):
        chosen = map(letters.find, letters.ids()) if every else _named(letters, ids or [])
        outcomes = [do(letters, letter) for letter in chosen if letter is not None]
    complaints = [outcome for outcome in outcomes if outcome is not None]
    if not outcomes:
        err.print("there are no dead letters")
    if complaints:
        raise CommandError("\n".join(complaints))
    if len(outcomes) > 1:
        err.print(count_of(len(outcomes), "dead letter"))


def _named(letters: DeadLetters, ids: list[str]) -> list[DeadLetter]:
    found = {each: letters.find(each) for each in ids}
    missing = [each for each, letter in found.items() if letter is None]
    if missing:
        names = " or ".join(each if each.isprintable() else ascii(each) for each in missing)
        msg = f"there is no dead letter {names}: `{as_typed('dead list')}` shows them"
        raise CommandError(msg, exit_code=2)
    return [letter for letter in found.values() if letter is not None]


def _contents(message: bytes) -> dict[str, str]:
    # Imported only now: Celery takes its time, and bodies are hardly ever asked for.
    body: bytes | None = import_module("pool_worker.broker.reading").readable_body(message)
    return {"message": printable(message)} | ({} if body is None else {"body": printable(body)})


def _job(job_id: str, settings: Settings) -> JobFacts | None:
    try:
        return find_job(job_id, settings)
    except (CommandError, ConfigurationError):  # forgotten, or of another release
        return None


@contextmanager
def _reached() -> Iterator[tuple[DeadLetters, Settings]]:
    settings = reach()
    with connect(str(settings.redis_url), decode=False) as client:
        yield DeadLetters(client), settings
