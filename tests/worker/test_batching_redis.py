from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import redis

from pool_client.redis_connection import connection_options
from pool_worker.batching_redis import BATCH_AT_MOST, BatchingRedis
from pool_worker.embedded_redis import EmbeddedRedis, free_port


def run(url: str, steps: Callable[[BatchingRedis], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with BatchingRedis.from_url(url, **connection_options(asynchronous=True)) as client:
            return await steps(client)

    return asyncio.run(main())


def test_everybody_gets_their_own_answer(redis_url: str) -> None:
    many = BATCH_AT_MOST * 2 + 50

    async def steps(client: BatchingRedis) -> list[int]:
        return await asyncio.gather(*(client.incrby(f"number:{number}", number) for number in range(many)))

    assert run(redis_url, steps) == list(range(many))


def test_what_is_asked_at_the_same_time_travels_together(redis_url: str, redis_client: redis.Redis) -> None:
    async def steps(client: BatchingRedis) -> None:
        await client.ping()
        await asyncio.gather(*(client.incr("count") for _ in range(BATCH_AT_MOST)))

    run(redis_url, steps)
    reads = redis_client.info("stats")["total_reads_processed"]
    run(redis_url, steps)
    assert redis_client.info("stats")["total_reads_processed"] - reads < 20


def test_a_refusal_reaches_only_who_asked_for_it(redis_url: str) -> None:
    async def steps(client: BatchingRedis) -> list[Any]:
        await client.set("text", "no list")
        asked = (client.get("text"), client.lpush("text", "x"), client.get("text"))
        return await asyncio.gather(*asked, return_exceptions=True)

    before, refusal, after = run(redis_url, steps)
    assert (before, after) == ("no list", "no list")
    assert isinstance(refusal, redis.ResponseError)


def test_who_is_cancelled_takes_nobody_along(redis_url: str) -> None:
    async def steps(client: BatchingRedis) -> list[Any]:
        asked = [asyncio.ensure_future(client.incr("count")) for _ in range(3)]
        await asyncio.sleep(0)
        asked[1].cancel()
        return await asyncio.gather(*asked, return_exceptions=True)

    first, cancelled, last = run(redis_url, steps)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert first == 1
    assert last > first


def test_a_lost_server_is_told_to_all_and_its_return_is_noticed(tmp_path: Path) -> None:
    port = free_port()
    server = EmbeddedRedis.start(tmp_path, port=port)

    async def steps(client: BatchingRedis) -> int:
        await client.set("kept", 1)
        await asyncio.to_thread(server.stop)
        lost = await asyncio.gather(client.get("kept"), client.get("kept"), return_exceptions=True)
        assert all(isinstance(error, redis.ConnectionError) for error in lost)
        again = await asyncio.to_thread(EmbeddedRedis.start, tmp_path, port=port)
        try:
            return int(await client.get("kept"))
        finally:
            await asyncio.to_thread(again.stop)

    assert run(server.url, steps) == 1


def test_what_cannot_be_written_leaves_nobody_waiting(redis_url: str) -> None:
    async def steps(client: BatchingRedis) -> list[Any]:
        asked = (client.set("text", "half a surrogate: \ud800"), client.set("text", "whole"))
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)

    assert {type(answer) for answer in run(redis_url, steps)} == {UnicodeEncodeError}


def test_closing_waits_for_what_was_asked(redis_url: str, redis_client: redis.Redis) -> None:
    async def steps(client: BatchingRedis) -> None:
        asked = asyncio.ensure_future(client.incr("count"))
        await asyncio.sleep(0)
        asked.cancel()

    run(redis_url, steps)
    assert redis_client.get("count") == "1"
