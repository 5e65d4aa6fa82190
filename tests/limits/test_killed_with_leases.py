"""A worker that is killed with two hundred leases: each ends once, at what was reserved; whoever comes later changes nothing."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
from racing_processes import Racers
from redis.asyncio import Redis
from small_pool import NOON_MS, Limits, candidates_of, connect, keys_of, pool, provider, window

from pool_worker import redis_keys
from pool_worker.limits.acquire import Exhausted, Lease, acquire
from pool_worker.limits.candidates import Charge
from pool_worker.limits.settle import expire, find_lapsed, settle, unused, used
from pool_worker.limits.usage import usage_now
from pool_worker.registry import Registry

KEYS, LEASES_PER_KEY = 5, 40
LEASES = KEYS * LEASES_PER_KEY
TTL_MS = 60_000
DAY_MS = 86_400_000
CHARGE = Charge(input_tokens=10, output_tokens=15)

RESERVED = {
    ("requests", "hour"): 40,
    ("requests", "day"): 40,
    ("tokens", "minute"): 1_000,
    ("tokens", "hour"): 1_000,
    ("tokens", "day"): 1_000,
    ("input_tokens", "hour"): 400,
    ("output_tokens", "minute"): 600,
}
AFTER_A_MINUTE = RESERVED | {("input_tokens", "hour"): 400 - 3_600 // 60}
"""What is charged at the arrival drains meanwhile; what is charged at the end counts from then on."""


@cache
def registry() -> Registry:
    """Requests are spent first; all kinds of windows, charged at the arrival and (tokens, output tokens) at the end."""
    return pool(
        provider(
            "groq",
            window("sliding", limit=LEASES_PER_KEY, per="hour"),
            window("fixed", limit=LEASES_PER_KEY, per="day"),
            window("refill", limit=1_100, unit="tokens"),
            window("sliding", limit=1_100, unit="tokens", per="hour"),
            window("fixed", limit=1_100, unit="tokens", per="day"),
            window("refill", limit=3_600, unit="input_tokens", per="hour"),
            window("sliding", limit=700, unit="output_tokens"),
            concurrency=LEASES_PER_KEY,
        ),
        keys=keys_of("groq", KEYS),
    )


async def take(redis: Redis, lease_id: str, now_ms: int) -> Lease | Exhausted:
    answer = await acquire(
        redis,
        [replace(candidate, charge=CHARGE) for candidate in candidates_of(registry())],
        lease_id=lease_id,
        job_id=f"job of {lease_id}",
        ttl_ms=TTL_MS,
        served_queues=frozenset({"free.groq"}),
        guard_ms=0,
        now_ms=now_ms,
    )
    assert isinstance(answer, Lease | Exhausted), answer
    return answer


async def take_all(redis: Redis, name: str, now_ms: int) -> list[Lease]:
    """As many as there are."""
    leases = []
    while isinstance(answer := await take(redis, f"{name}{len(leases)}", now_ms), Lease):
        leases.append(answer)
    return leases


def worker(url: str, pipe: Any) -> None:
    """Takes all leases that there are, and is busy with them for ever."""
    with asyncio.Runner() as runner:
        pipe.send(runner.run(take_all(connect(url), "lease", NOON_MS)))
        pipe.recv()


async def end_all_that_lapsed(redis: Redis, *, limit: int, now_ms: int) -> list[str]:
    """The ids of the leases that ended here."""
    ended = []
    while leases := await find_lapsed(redis, limit=limit, now_ms=now_ms):
        rows = {it.lease_id: ("attempt", it.lease_id, "{}") for it in leases}
        ended += await expire(redis, leases, rows=rows, now_ms=now_ms)
    return ended


async def settle_late(redis: Redis, *, leases: list[Lease], now_ms: int) -> list[bool]:
    """What a worker does that was only stalled."""
    endings = [unused(it.id) if number % 2 else used(it.id, actual=Charge(input_tokens=1)) for number, it in enumerate(leases)]
    return [await settle(redis, ending, now_ms=now_ms) for ending in endings]


@pytest.fixture
def racers(redis_url: str) -> Iterator[Racers]:
    processes = Racers(redis_url, 2)
    yield processes
    processes.close()


def killed_with_leases(url: str) -> list[Lease]:
    """The leases that a process held when it was killed."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=worker, args=(url, theirs), daemon=True)
    process.start()
    leases: list[Lease] = ours.recv()
    process.kill()
    process.join(10)
    assert process.exitcode == -signal.SIGKILL
    return leases


def uses(limits: Limits) -> dict[str, dict[tuple[str, str], int]]:
    """Key → unit and period → what is used."""
    found: dict[str, dict[tuple[str, str], int]] = {}
    for it in limits.run(usage_now(limits.redis, limits.registry, now_ms=limits.now_ms)):
        found.setdefault(it.key_id, {})[it.unit.value, it.per.value] = it.used
    return found


def each_key(used: dict[tuple[str, str], int]) -> dict[str, dict[tuple[str, str], int]]:
    return {f"groq#{number}": used for number in range(1, KEYS + 1)}


def test_what_a_killed_worker_held_ends_once_at_what_was_reserved(limits: Limits, redis_url: str, racers: Racers) -> None:
    limits.registry = registry()
    limits.enroll()
    leases = killed_with_leases(redis_url)
    assert Counter(it.key_id for it in leases) == dict.fromkeys(each_key({}), LEASES_PER_KEY)
    assert uses(limits) == each_key(RESERVED)

    limits.now_ms += TTL_MS - 1
    assert limits.run(find_lapsed(limits.redis, now_ms=limits.now_ms)) == []
    limits.now_ms += 1
    sweeps = racers.together([partial(end_all_that_lapsed, limit=7, now_ms=limits.now_ms)] * 4)
    assert Counter(lease_id for ended in sweeps for lease_id in ended) == Counter(it.id for it in leases)
    assert limits.run(limits.redis.xlen(redis_keys.OUTBOX)) == LEASES
    assert limits.run(limits.redis.zcard(redis_keys.LEASES)) == 0
    assert limits.run(limits.redis.keys(redis_keys.in_flight("*", "*"))) == []
    assert uses(limits) == each_key(AFTER_A_MINUTE)

    late = racers.together([partial(settle_late, leases=leases, now_ms=limits.now_ms)] * 2)
    assert late == [[False] * LEASES] * 2
    assert uses(limits) == each_key(AFTER_A_MINUTE)
    assert isinstance(limits.run(take(limits.redis, "too early", limits.now_ms)), Exhausted)

    limits.now_ms += DAY_MS
    assert uses(limits) == each_key(dict.fromkeys(RESERVED, 0))
    again = racers.together([partial(take_all, name=f"again{number} ", now_ms=limits.now_ms) for number in range(2)])
    assert Counter(it.key_id for some in again for it in some) == dict.fromkeys(each_key({}), LEASES_PER_KEY)
    assert uses(limits) == each_key(RESERVED)
