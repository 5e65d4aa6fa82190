from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
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


def test_what_is_asked_while_the_server_is_away_waits_for_its_return(tmp_path: Path) -> None:
    port = free_port()
    server = EmbeddedRedis.start(tmp_path, port=port)

    async def steps(client: BatchingRedis) -> list[Any]:
        await client.set("kept", 1)
        await asyncio.to_thread(server.stop)
        asked = [asyncio.ensure_future(client.incr("kept")) for _ in range(3)]
        asked[1].cancel()
        done, _ = await asyncio.wait(asked, timeout=0.2)
        assert done == {asked[1]}
        again = await asyncio.to_thread(EmbeddedRedis.start, tmp_path, port=port)
        try:
            return await asyncio.gather(asked[0], asked[2])
        finally:
            await asyncio.to_thread(again.stop)

    assert run(server.url, steps) == [2, 3]


def test_closing_while_the_server_is_away_needs_only_that_nobody_waits(tmp_path: Path) -> None:
    server = EmbeddedRedis.start(tmp_path, port=free_port())

    async def steps(client: BatchingRedis) -> None:
        await client.set("kept", 1)
        await asyncio.to_thread(server.stop)
        asked = asyncio.ensure_future(client.get("kept"))
        await asyncio.wait([asked], timeout=0.05)
        asked.cancel()

    run(server.url, steps)


def test_what_a_full_server_refuses_is_asked_again_and_holds_up_nobody(redis_url: str, redis_client: redis.Redis) -> None:
    async def steps(client: BatchingRedis) -> int:
        await client.rpush("list", "here")
        redis_client.config_set("maxmemory", 1)
        try:
            asked = asyncio.ensure_future(client.incr("count"))
            assert await client.lpop("list") == "here", "what needs no memory is granted meanwhile"
            await asyncio.wait([asked], timeout=0.05)
            assert not asked.done()
        finally:
            redis_client.config_set("maxmemory", 0)
        return await asked

    assert run(redis_url, steps) == 1


def test_a_wrong_password_is_told_at_once(redis_url: str) -> None:
    async def steps(client: BatchingRedis) -> None:
        with pytest.raises(redis.AuthenticationError):
            await asyncio.wait_for(client.get("text"), 5)

    run(redis_url.replace("redis://", "redis://:wrong@"), steps)


def test_what_cannot_be_written_leaves_nobody_waiting(redis_url: str) -> None:
    async def steps(client: BatchingRedis) -> list[Any]:
        asked = (client.set("text", "half a surrogate: \ud800"), client.set("text", "whole"))
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)

    assert {type(answer) for answer in run(redis_url, steps)} == {UnicodeEncodeError}


def test_what_nobody_foresaw_leaves_nobody_waiting(redis_url: str) -> None:
    def unreadable(_answer: Any) -> None:
        msg = "nobody foresaw this"
        raise RuntimeError(msg)

    async def steps(client: BatchingRedis) -> list[Any]:
        client.set_response_callback("GET", unreadable)
        told = await asyncio.wait_for(asyncio.gather(client.get("text"), client.get("text"), return_exceptions=True), 5)
        return [*told, await client.incr("count")]

    first, second, after = run(redis_url, steps)
    assert (type(first), type(second), after) == (RuntimeError, RuntimeError, 1)


def test_who_waits_when_the_sending_is_broken_off_is_told(redis_url: str) -> None:
    async def steps(client: BatchingRedis) -> tuple[Any, int]:
        asked = asyncio.ensure_future(client.blpop(["nothing"], timeout=60))
        await asyncio.wait([asked], timeout=0.05)
        sender = next(task for task in asyncio.all_tasks() if "_send" in str(task.get_coro()))
        sender.cancel()
        told = await asyncio.wait_for(asyncio.gather(asked, return_exceptions=True), 5)
        return told[0], await client.incr("count")

    told, after = run(redis_url, steps)
    assert isinstance(told, redis.ConnectionError)
    assert after == 1


def test_closing_waits_for_what_was_asked(redis_url: str, redis_client: redis.Redis) -> None:
    async def steps(client: BatchingRedis) -> None:
        asked = asyncio.ensure_future(client.incr("count"))
        await asyncio.sleep(0)
        asked.cancel()

    run(redis_url, steps)
    assert redis_client.get("count") == "1"
