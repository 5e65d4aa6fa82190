"""Celery's tasks: a few lines each, the work is done below."""

from __future__ import annotations

from pool_client.queues import TASK_NAME
from pool_worker.app import app
from pool_worker.broker.delivery import current_delivery, released_tags
from pool_worker.completion import complete as complete_job


@app.task(name=TASK_NAME)
async def complete(job_id: str) -> str:
    """Complete one job."""
    delivery = current_delivery.get()
    try:
        return await complete_job(job_id, delivery, app.resources)
    except Exception:
        released_tags.add(delivery.tag)  # not done, so not acknowledged: the message comes back when its lease ends
        raise
