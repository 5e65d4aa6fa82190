"""A Celery app on our transport and pool, of whose two tasks one kills its worker."""

from __future__ import annotations

import os
import signal

import redis.asyncio
from celery import Celery
from one_queue import one_queue

URL = os.environ["TEST_REDIS_URL"]

app = Celery("deadly", set_as_current=False)
app.conf.update(one_queue(URL))


@app.task(name="note", shared=False)
async def note(name: str) -> None:
    async with redis.asyncio.Redis.from_url(URL) as client:
        await client.lpush(f"ended:{name}", 1)


@app.task(name="die", shared=False)
async def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
