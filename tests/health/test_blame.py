"""Who failed is left alone for a while: longer each time, and forgiven after staying well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis
import redis.asyncio

from pool_client.redis_connection import connection_options
from pool_worker import redis_keys
from pool_worker.health.blame import Fall, fall

NOW_MS = 1_800_000_000_000


@pytest.fixture
def run(redis_url: str) -> Callable[[Callable[[redis.asyncio.Redis], Awaitable[Fall]]], Fall]:
    def run(step: Callable[[redis.asyncio.Redis], Awaitable[Fall]]) -> Fall:
        async def once() -> Fall:
            async with redis.asyncio.Redis.from_url(redis_url, **connection_options(asynchronous=True)) as client:
                return await step(client)

        return asyncio.run(once())

    return run


def fall_at(run: Callable, now_ms: int, first_s: float = 2.0) -> int:
    return run(lambda client: fall(client, "provider:groq", first_s=first_s, reason="it failed", now_ms=now_ms)).held_ms


def test_each_fall_after_a_hold_is_held_twice_as_long(run: Callable, redis_client: redis.Redis) -> None:
    now_ms, holds = NOW_MS, []
    for _ in range(4):
        holds.append(fall_at(run, now_ms))
        now_ms += holds[-1]
    assert holds == [2000, 4000, 8000, 16000]
    until_ms, _, reason = redis_client.get(redis_keys.hold("provider:groq")).partition(" ")
    assert (int(until_ms), reason) == (now_ms, "it failed")


def test_failures_during_a_hold_are_of_the_same_fall(run: Callable) -> None:
    assert fall_at(run, NOW_MS) == 2000
    assert fall_at(run, NOW_MS + 1999) == 0
    assert fall_at(run, NOW_MS + 2000) == 4000


def test_a_hold_is_never_longer_than_five_minutes_unless_its_first_was(run: Callable, redis_client: redis.Redis) -> None:
    redis_client.set(redis_keys.failures("provider:groq"), 1000)
    assert fall_at(run, NOW_MS) == 300_000
    assert fall_at(run, NOW_MS + 300_000, first_s=3600) == 3_600_000


def test_who_stays_well_is_forgiven(run: Callable, redis_client: redis.Redis) -> None:
    fall_at(run, NOW_MS)
    ttl_ms = redis_client.pttl(redis_keys.failures("provider:groq"))
    assert 7000 < ttl_ms <= 8000, "three holds after this one"
