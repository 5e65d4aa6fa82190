"""`model-pool job ID`: where one job is, the trail of what was tried for it, and its answer."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from pool_client import Pool
from pool_client.errors import InvalidRequestError, PoolUnavailableError
from pool_client.job import JobState, Status
from pool_client.redis_connection import connect, redis_errors
from pool_worker.cli.job.facts import JobFacts, facts_of_record
from pool_worker.cli.job.view import KEPT, answer_text, job_view
from pool_worker.cli.json_output import print_json_object
from pool_worker.cli.reaching import reach
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import show
from pool_worker.cli.terminal import CommandError
from pool_worker.cli.whereabouts import look, where_words
from pool_worker.settings import Settings

NOT_IN_REDIS = f"Redis does not have it: it keeps a job for {KEPT} after its end, unless it is emptied"


def job(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="As `submit` gave it.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show one job: where it is, what was tried for it, its answer. The ledger tells of what Redis does not have."""
    facts = find_job(job_id, connected_settings(Settings()))
    if as_json:
        print_json_object(facts)
        return
    show(job_view(facts))
    if facts.state is JobState.SUCCEEDED:
        typer.echo(answer_text(facts))


def find_job(job_id: str, settings: Settings) -> JobFacts:
    """What is known of a job.

    Raises:
        CommandError: if nobody knows it, or nobody can be asked.
    """
    because = None
    try:
        with Pool(redis_url=settings.redis_url) as pool:
            status = pool.status(job_id)
            where = None if status.state.is_final else _where(status, str(settings.redis_url))
            return facts_of_record(status, pool.peek(job_id), where=where)
    except InvalidRequestError:
        pass
    except PoolUnavailableError as error:
        because = str(error)
    # Imported only now: SQLAlchemy takes half a second, and Redis knows almost every job that is asked for.
    books = import_module("pool_worker.cli.job.books")
    found: JobFacts | None = books.job_in_ledger(job_id, settings, because=because or NOT_IN_REDIS)
    if found is not None:
        return found
    if because is not None:
        reach()
    msg = f"job {job_id} is not known: neither Redis nor the ledger has it (is it of another --home or --redis?)"
    raise CommandError(msg, exit_code=2)


def _where(status: Status, url: str) -> str:
    with connect(url) as client, redis_errors(url):
        return where_words(look(client, status))
