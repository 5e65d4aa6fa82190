"""`model-pool cancel ID`: one job is not wanted any more."""

from __future__ import annotations

from typing import Annotated

import typer

from pool_client import Pool
from pool_client.errors import InvalidRequestError
from pool_client.job import JobState
from pool_worker.cli.job import find_job
from pool_worker.cli.json_output import print_json_object
from pool_worker.cli.reaching import reach
from pool_worker.cli.terminal import out

WORDS = {
    JobState.CANCELLED: "is cancelled",
    JobState.RUNNING: "is running: its worker was told, and stops if it still can",
    JobState.SUCCEEDED: "had succeeded before; nothing was changed",
    JobState.FAILED: "had failed before; nothing was changed",
    None: "is not at work any more; nothing was changed",
}


def cancel(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="As `submit` gave it.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Cancel one job, and say what is true now: it will not run, its worker was told to stop, or it had ended before."""
    settings = reach()
    with Pool(redis_url=settings.redis_url) as pool:
        try:
            state: JobState | None = pool.job(job_id).cancel()
        except InvalidRequestError:
            state = find_job(job_id, settings).state
    if as_json:
        print_json_object({"job_id": job_id, "state": state})
    else:
        out.print(f"job {job_id} {WORDS[state]}", markup=False)
