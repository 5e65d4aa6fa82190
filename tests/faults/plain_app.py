"""A Celery app with one 10-ms task, late acknowledgements, and the transport that is asked for: ours, or kombu's own.

`python -m plain_app NAME` is a worker of it; nothing but the transport differs between two runs.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
from celery import Celery
from kombu import Exchange, Queue

from pool_client.queues import TASK_NAME
from pool_worker.celery_settings import POOL, TRANSPORT, broker_settings

STOCK = "redis"
OURS = TRANSPORT
QUEUE, DONE, READY = "plain", "plain:done", "plain:ready"
TASK_S = 0.01


class PlainApp(Celery):
    """Celery, and the connection that its task uses."""

    redis: redis.asyncio.Redis

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with redis.asyncio.Redis.from_url(self.conf.broker_url) as self.redis:
            await self.redis.sadd(READY, sys.argv[-1])
            yield


def plain_app(redis_url: str, *, transport: str, visibility_s: float) -> PlainApp:
    """The app on one of the transports."""
    app = PlainApp("plain", set_as_current=False)
    app.conf.update(broker_settings(redis_url))
    app.conf.update(
        broker_transport=transport,
        broker_transport_options={
            "visibility_timeout": visibility_s,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 5,  # kombu's: a worker killed under it else keeps everybody from giving back for 5 minutes
        },
        worker_pool=POOL,
        worker_concurrency=10,
        worker_prefetch_multiplier=1,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_queues=[Queue(QUEUE, Exchange(""), routing_key=QUEUE)],
        task_default_queue=QUEUE,
        task_default_exchange="",
        task_default_routing_key=QUEUE,
    )

    @app.task(name=TASK_NAME, shared=False)
    async def count(task_id: str) -> None:
        await asyncio.sleep(TASK_S)
        await app.redis.hincrby(DONE, task_id, 1)

    return app


def main() -> None:
    """Be a worker."""
    environ = os.environ
    app = plain_app(
        environ["MODEL_POOL_REDIS_URL"],
        transport=environ["PLAIN_TRANSPORT"],
        visibility_s=float(environ["MODEL_POOL_VISIBILITY_S"]),
    )
    options = {"without_gossip": True, "without_mingle": True, "loglevel": "WARNING", "quiet": True}
    app.Worker(hostname=f"{sys.argv[1]}@plain", **options).start()


if __name__ == "__main__":
    main()
