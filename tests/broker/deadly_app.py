"""A Celery app on our transport and pool, of whose two tasks one kills its worker."""

from __future__ import annotations

import os
import signal

import redis.asyncio
from celery import Celery
from kombu import Exchange, Queue

URL = os.environ["TEST_REDIS_URL"]

app = Celery("deadly", set_as_current=False)
app.conf.update(
    broker_url=URL,
    broker_transport="pool_worker.broker.transport:Transport",
    broker_transport_options={"visibility_timeout": 1},
    worker_pool="pool_worker.broker.asyncio_pool:TaskPool",
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_ignore_result=True,
    task_queues=[Queue("free", Exchange(""), routing_key="free")],
    task_default_queue="free",
    task_default_exchange="",
    task_default_routing_key="free",
)


@app.task(name="note", shared=False)
async def note(name: str) -> None:
    async with redis.asyncio.Redis.from_url(URL) as client:
        await client.lpush(f"ended:{name}", 1)


@app.task(name="die", shared=False)
async def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
