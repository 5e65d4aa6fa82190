"""Every worker brings parked jobs back, in its background: by Redis's own clock, and nobody has to tell it to."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import redis
import redis.asyncio

from pool_client import redis_keys as shared_keys
from pool_client.queues import list_name
from pool_worker import redis_keys
from pool_worker.broker.delivery import Delivery
from pool_worker.broker.jobs import For, Jobs
from pool_worker.broker.returning import bringing_back

QUEUE = list_name("free", 6)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = redis.asyncio.Redis.from_url(url, decode_responses=True)
    try:
        yield client
    finally:
        await client.aclose()


async def park(jobs: Jobs, client: redis.asyncio.Redis, job_id: str, *, delay_ms: int) -> None:
    message = json.dumps({"headers": {"id": job_id}})
    await client.hset(shared_keys.job(job_id), mapping={"state": "running", "spec": "{}"})
    await client.hset(redis_keys.UNACKED, f"claim of {job_id}", f"{QUEUE}\n{message}")
    delivery = Delivery(task_id=job_id, tag=f"claim of {job_id}", queue="free", deliveries=1)
    await jobs.park(job_id, delivery, wait=For(delay_ms), reason="every candidate has failed", trail=[])


async def comes_back(client: redis.asyncio.Redis) -> tuple[str, float]:
    """The next job in the queue, and when it came, in ms of Redis's clock."""
    _, text = await client.brpop(QUEUE, timeout=10)
    seconds, microseconds = await client.time()
    job_id = json.loads(text)["headers"]["id"]
    await client.hset(shared_keys.job(job_id), "state", "running")
    return job_id, seconds * 1000 + microseconds / 1000


async def due_ms(client: redis.asyncio.Redis, job_id: str) -> float:
    return float(await client.zscore(redis_keys.PARKED, job_id))


def test_it_wakes_for_a_job_that_is_due_before_all_others(redis_url: str) -> None:
    async def scenario() -> None:
        async with connected(redis_url) as client:
            jobs = Jobs(client, worker="one")
            await park(jobs, client, "later", delay_ms=400)
            async with bringing_back(jobs):
                await park(jobs, client, "sooner", delay_ms=200)
                due = {job_id: await due_ms(client, job_id) for job_id in ("sooner", "later")}
                for expected in ("sooner", "later"):
                    job_id, came_ms = await comes_back(client)
                    assert job_id == expected
                    assert came_ms >= due[job_id]

    asyncio.run(scenario())


def test_whichever_worker_is_left_does_it(redis_url: str) -> None:
    async def scenario() -> None:
        async with connected(redis_url) as client, bringing_back(Jobs(client, worker="left")):
            gone = Jobs(client, worker="gone")
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(bringing_back(gone))
                await park(gone, client, "job", delay_ms=100)
            assert (await comes_back(client))[0] == "job"

    asyncio.run(scenario())


def test_it_outlasts_a_redis_that_refuses(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with connected(redis_url) as client:
            jobs = Jobs(client, worker="one")
            await client.set(shared_keys.PARKED_TIMERS, "of another kind")
            async with bringing_back(jobs):
                while "trying again" not in caplog.text:
                    await client.ping()
                await client.delete(shared_keys.PARKED_TIMERS)
                await park(jobs, client, "job", delay_ms=0)
                assert (await comes_back(client))[0] == "job"

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
