"""Many strings of Redis are read in their order, a part at a time; of none Redis is not asked."""

from __future__ import annotations

import asyncio

import pytest
import redis
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError

from pool_worker.embedded_redis import free_port
from pool_worker.many_reads import AT_ONCE, read_many


def read(url: str, names: list[str]) -> list[str | None]:
    async def run() -> list[str | None]:
        async with redis.asyncio.from_url(url, decode_responses=True) as client:
            return await read_many(client, names)

    return asyncio.run(run())


@pytest.mark.parametrize("count", [1, AT_ONCE, AT_ONCE + 1])
def test_every_value_stands_where_its_name_does(redis_url: str, redis_client: redis.Redis, count: int) -> None:
    names = [f"n{number}" for number in range(count)]
    redis_client.mset({name: name.upper() for name in names})
    redis_client.delete("n0")
    assert read(redis_url, names) == [None, *(name.upper() for name in names[1:])]
    redis_client.flushdb()


def test_nobody_is_asked_for_nothing() -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    assert read(nowhere, []) == []
    with pytest.raises(RedisConnectionError):
        read(nowhere, ["n0"])
