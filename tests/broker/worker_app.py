"""A Celery app on our transport and pool, whose tasks say in Redis what they did (and are not shared with other apps)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis
import redis.asyncio
from celery import Celery
from one_queue import one_queue

URL = os.environ["TEST_REDIS_URL"]


class App(Celery):
    redis: redis.asyncio.Redis

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with redis.asyncio.Redis.from_url(URL, decode_responses=True) as self.redis:
            yield
            await self.redis.rpush("log", "left")


app = App("test", set_as_current=False)
app.conf.update(
    one_queue(URL, unacked_restore_interval=0.2, unacked_restore_throttle=1),
    pool_drain_s=float(os.environ.get("TEST_DRAIN_S", "10")),
)


@app.task(name="count", shared=False)
async def count(number: int) -> str:
    await app.redis.hincrby("done", str(number), 1)
    return "counted"


@app.task(name="wait_for", shared=False)
async def wait_for(name: str) -> str:
    """Runs until somebody pushes to the list `name`."""
    await app.redis.rpush("log", f"{name} started")
    try:
        await app.redis.blpop([name], timeout=60)
    except asyncio.CancelledError:
        await app.redis.rpush("log", f"{name} cancelled")
        raise
    await app.redis.hincrby("done", name, 1)
    return "went on"


@app.task(name="break_off", shared=False)
async def break_off(name: str) -> None:
    """The first time something inside cancels it, as a library may."""
    if await app.redis.hincrby("done", name, 1) == 1:
        raise asyncio.CancelledError


@app.task(name="plain", shared=False)
def plain(number: int) -> str:
    with redis.Redis.from_url(URL) as client:
        client.hincrby("done", str(number), 1)
    return "counted"


@app.task(name="fail", shared=False)
async def fail() -> None:
    msg = "as planned"
    raise RuntimeError(msg)
