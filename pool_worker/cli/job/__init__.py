"""`model-pool job ID`: where one job is, and the trail of what was tried for it."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from pool_client import Pool
from pool_client.errors import InvalidRequestError, PoolUnavailableError
from pool_worker.cli.job.facts import JobFacts, facts_of_record
from pool_worker.cli.job.view import job_view
from pool_worker.cli.json_output import print_json_object
from pool_worker.cli.reaching import reach
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import show
from pool_worker.cli.terminal import CommandError
from pool_worker.settings import Settings


def job(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="As `submit` gave it.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show where one job is, and what was tried for it: from Redis, or from the ledger when Redis has forgotten it."""
    facts = find_job(job_id, connected_settings(Settings()))
    if as_json:
        print_json_object(facts)
    else:
        show(job_view(facts))


def find_job(job_id: str, settings: Settings) -> JobFacts:
    """What is known of a job.

    Raises:
        CommandError: if nobody knows it, or nobody can be asked.
    """
    is_reached = True
    try:
        with Pool(redis_url=settings.redis_url) as pool:
            return facts_of_record(pool.status(job_id), pool.peek(job_id))
    except InvalidRequestError:
        pass
    except PoolUnavailableError:
        is_reached = False
    # Imported only now: SQLAlchemy takes half a second, and Redis knows almost every job that is asked for.
    found: JobFacts | None = import_module("pool_worker.cli.job.books").job_in_ledger(job_id, settings)
    if found is not None:
        return found
    if not is_reached:
        reach()
    msg = f"job {job_id} is not known: neither Redis nor the ledger has it (is it of another --home or --redis?)"
    raise CommandError(msg, exit_code=2)
