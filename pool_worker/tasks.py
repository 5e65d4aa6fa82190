"""Celery's tasks: a few lines each, the work is done below."""

from __future__ import annotations

from pool_client.queues import TASK_NAME
from pool_worker.app import app
from pool_worker.broker.delivery import current_delivery, released_tags
from pool_worker.completion import complete as complete_job
from pool_worker.maintenance import books, probes, queues, watch


@app.task(name=TASK_NAME)
async def complete(job_id: str) -> str:
    """Complete one job."""
    delivery = current_delivery.get()
    try:
        return await complete_job(job_id, delivery, app.resources)
    except Exception:
        released_tags.add(delivery.tag)  # not done, so not acknowledged: the message comes back when its lease ends
        raise


@app.task(name="pool.release_due_jobs")
async def release_due_jobs() -> str:
    """Bring parked jobs back whose time has come."""
    return f"{await queues.release_due_jobs(app.resources)} came back"


@app.task(name="pool.expire_leases")
async def expire_leases() -> str:
    """End the leases of dead workers."""
    return f"{await queues.expire_leases(app.resources)} ended"


@app.task(name="pool.write_ledger")
async def write_ledger() -> str:
    """Move rows from the outbox into the ledger."""
    return f"{await books.write_ledger(app.resources)} rows"


@app.task(name="pool.summarise_days")
async def summarise_days() -> str:
    """Renew the daily summaries."""
    return f"{await books.summarise_days(app.resources)} summaries"


@app.task(name="pool.probe_health")
async def probe_health() -> str:
    """Ask fallen providers whether they are well again."""
    return f"{await probes.probe_health(app.resources)} are well again"


@app.task(name="pool.check_quotas")
async def check_quotas() -> str:
    """Warn of quotas that are nearly used up."""
    return f"{await watch.check_quotas(app.resources)} near their limit"


@app.task(name="pool.check_budgets")
async def check_budgets() -> str:
    """Warn of budgets that are nearly spent."""
    return f"{await watch.check_budgets(app.resources)} near their limit"
