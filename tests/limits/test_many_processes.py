"""Several processes on one Redis and its real clock: together never above a limit."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
from typing import Any

from small_pool import Limits, candidates_of, connect, keys_of, pool, provider, window

from pool_worker.limits.acquire import Exhausted, Lease, acquire
from pool_worker.limits.candidates import Charge
from pool_worker.limits.enroll import enroll
from pool_worker.limits.settle import settle, used
from pool_worker.registry import Registry

PROCESSES, KEYS, LIMIT = 4, 5, 20


def registry() -> Registry:
    return pool(
        provider("groq", window("sliding", limit=LIMIT), window("fixed", limit=LIMIT * 2, per="day"), concurrency=6),
        keys=keys_of("groq", KEYS),
    )


async def take_all(url: str) -> list[str]:
    """Acquire and settle, six at a time, until the windows are spent; the keys they used."""
    redis, taken = connect(url), list[str]()
    candidates = candidates_of(registry())
    numbers = itertools.count()

    async def caller() -> None:
        while True:
            answer = await acquire(
                redis,
                candidates,
                lease_id=f"{os.getpid()}-{next(numbers)}",
                job_id="job",
                ttl_ms=60_000,
                served_queues=frozenset({"free.groq"}),
            )
            if isinstance(answer, Lease):
                taken.append(answer.key_id)
                await settle(redis, used(answer.id, actual=Charge()))
            elif isinstance(answer, Exhausted) and "per minute" in answer.reason:
                return

    await asyncio.gather(*(caller() for _ in range(6)))
    await redis.aclose()
    return taken


def process(url: str, answers: Any) -> None:
    answers.put(asyncio.run(take_all(url)))


def test_processes_together_take_exactly_what_the_keys_allow(limits: Limits, redis_url: str) -> None:
    limits.run(enroll(limits.redis, registry()))
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    workers = [spawn.Process(target=process, args=(redis_url, answers)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    used = [key for _ in workers for key in answers.get(timeout=30)]
    for worker in workers:
        worker.join(10)
        assert worker.exitcode == 0
    assert {key: used.count(key) for key in set(used)} == {f"groq#{number}": LIMIT for number in range(1, KEYS + 1)}
    assert limits.run(limits.redis.zcard("pool:leases")) == 0
    assert limits.run(limits.redis.keys("pool:in_flight:*")) == []
