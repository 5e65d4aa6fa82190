"""Celery's tasks: a few lines each, the work is done below."""

from __future__ import annotations

import logging

from celery.exceptions import Retry

from pool_client.job import JobState
from pool_client.queues import TASK_NAME
from pool_worker.app import app
from pool_worker.broker.claims import claims
from pool_worker.broker.delivery import current_delivery, departures
from pool_worker.completion import complete as complete_job
from pool_worker.completion import end_lapsed
from pool_worker.maintenance import (
    books,
    degradation,
    figures,
    metrics,
    probes,
    pruning,
    quotas,
    recoveries,
    storms,
    watch,
)

logger = logging.getLogger(__name__)


class NotYetError(Exception):
    """The job waits, moved to a sibling queue, or was interrupted."""


class NoAnswerError(Exception):
    """The job failed or was cancelled. Only its caller is told why: a provider's words may quote the prompt."""


@app.task(name=TASK_NAME, throws=(NoAnswerError,))
async def complete(job_id: str) -> str:
    """Complete one job. What it returns and raises is what Celery's events show: never anything of a prompt or an answer.

    Raises:
        Retry: if the job waits, moved to a sibling queue, or was interrupted; it comes back by itself, Celery only shows it.
        NoAnswerError: if the job ended without an answer.
    """
    delivery = current_delivery.get()
    try:
        became = await complete_job(job_id, delivery, app.resources)
    except Exception as error:
        logger.exception("job %s was interrupted", job_id)
        claims.forget(delivery.tag)  # not done, so not acknowledged: the message comes back when its lease ends
        raise Retry(exc=NotYetError(type(error).__name__)) from error
    left = departures.pop(delivery.tag, None)
    if left is not None and left.state in {JobState.QUEUED, JobState.PARKED}:
        raise Retry(became, exc=NotYetError(became))
    if left is not None and left.error:
        raise NoAnswerError(left.error)
    return job_id if delivery.has_sequel else became


# Beat's tasks send no events: several a second, they would hide the jobs in every monitor.


@app.task(name="pool.expire_leases", send_events=False)
async def expire_leases() -> str:
    """End the leases of dead workers."""
    return f"{await end_lapsed(app.resources.redis, app.resources.registry)} ended"


@app.task(name="pool.write_ledger", send_events=False)
async def write_ledger() -> str:
    """Move rows from the outbox into the ledger."""
    return f"{await books.write_ledger(app.resources)} rows"


@app.task(name="pool.summarise_days", send_events=False)
async def summarise_days() -> str:
    """Renew the daily summaries."""
    return f"{await books.summarise_days(app.resources)} summaries"


@app.task(name="pool.probe_health", send_events=False)
async def probe_health() -> str:
    """Ask fallen providers whether they are well again."""
    return f"{await probes.probe_health(app.resources)} are well again"


@app.task(name="pool.check_quotas", send_events=False)
async def check_quotas() -> str:
    """Warn of quotas that are nearly used up, or less than was configured."""
    return f"{await quotas.check_quotas(app.resources)} near their limit"


@app.task(name="pool.check_budgets", send_events=False)
async def check_budgets() -> str:
    """Warn of budgets that are nearly spent."""
    return f"{await watch.check_budgets(app.resources)} near their limit"


@app.task(name="pool.check_dead_letters", send_events=False)
async def check_dead_letters() -> str:
    """Tell of messages on which no worker could work."""
    return f"{await watch.check_dead_letters(app.resources)} kept"


@app.task(name="pool.check_failovers", send_events=False)
async def check_failovers() -> str:
    """Warn of models on which many calls fail."""
    return f"{await storms.check_failovers(app.resources)} models"


@app.task(name="pool.check_recoveries", send_events=False)
async def check_recoveries() -> str:
    """Tell of whoever was refused and is answered again."""
    return f"{await recoveries.check_recoveries(app.resources)} are over"


@app.task(name="pool.publish_stats", send_events=False)
async def publish_stats() -> str:
    """Publish what clients ask of quotas and health."""
    return f"{await figures.publish_stats(app.resources)} keys"


@app.task(name="pool.check_degradation", send_events=False)
async def check_degradation() -> str:
    """Warn of models that do worse than they used to."""
    return f"{await degradation.check_degradation(app.resources)} models"


@app.task(name="pool.measure_system", send_events=False)
async def measure_system() -> str:
    """Book figures of the whole system."""
    return f"{await metrics.measure_system(app.resources)} figures"


@app.task(name="pool.prune_ledger", send_events=False)
async def prune_ledger() -> str:
    """Delete what is older than it need be, once a day."""
    return f"{await pruning.prune_ledger(app.resources)} rows"
