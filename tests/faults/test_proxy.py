"""The bad network does what it says."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis
from proxy import Proxy
from redis.backoff import NoBackoff
from redis.retry import Retry

from pool_worker.embedded_redis import EmbeddedRedis, free_port


@pytest.fixture
def proxy(redis_client: redis.Redis, redis_server: EmbeddedRedis) -> Iterator[Proxy]:
    with Proxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def through(proxy: Proxy) -> Iterator[redis.Redis]:
    """A client with one connection through the proxy, impatient, that never tries again by itself."""
    client = redis.Redis.from_url(proxy.url, socket_timeout=0.2, single_connection_client=True, retry=Retry(NoBackoff(), 0))
    with client:
        yield client


def test_what_is_said_passes_both_ways_whole(proxy: Proxy, through: redis.Redis) -> None:
    text = b"x" * 3_000_000
    through.set("k", text)
    assert through.get("k") == text
    assert proxy.counts.connections == 1
    assert proxy.counts.bytes > 6_000_000


def test_a_cut_connection_is_noticed_and_a_new_one_works(proxy: Proxy, through: redis.Redis) -> None:
    through.ping()
    assert proxy.cut() == 1
    with pytest.raises(redis.ConnectionError):
        through.ping()
    assert through.ping()
    assert (proxy.counts.connections, proxy.counts.cut) == (2, 1)


def test_a_black_hole_keeps_what_was_said_and_gives_it_later(
    proxy: Proxy, through: redis.Redis, redis_client: redis.Redis
) -> None:
    through.ping()
    proxy.fall_silent()
    with pytest.raises(redis.TimeoutError):
        through.lpush("k", "late")
    with pytest.raises(redis.TimeoutError):
        through.ping()  # a new connection is accepted, and as silent
    assert redis_client.llen("k") == 0
    proxy.speak()
    assert redis_client.blpop(["k"], timeout=2) == ("k", "late")
    assert through.ping()


def test_an_orphan_hears_nothing_any_more_while_new_ones_work(
    proxy: Proxy, through: redis.Redis, redis_client: redis.Redis
) -> None:
    through.ping()
    assert proxy.orphan() == 1
    assert proxy.orphan() == 0
    with pytest.raises(redis.TimeoutError):
        through.set("k", "lost")
    assert through.ping()
    assert redis_client.get("k") is None


def test_latency_delays_and_does_not_throttle(proxy: Proxy, through: redis.Redis) -> None:
    with through.pipeline(transaction=False) as pipe:
        pipe.ping().execute()  # over a connection of its own
        proxy.latency_s = 0.05
        began = time.monotonic()
        for number in range(100):
            pipe.set(f"k{number}", b"x" * 10_000)
        pipe.execute()
    assert 0.1 <= time.monotonic() - began < 0.3, "there and back, once for all"


def test_a_slow_line_is_slow(proxy: Proxy, through: redis.Redis) -> None:
    through.ping()
    proxy.bytes_per_s = 1000
    began = time.monotonic()
    through.execute_command("PING", b"x" * 100)
    assert time.monotonic() - began >= 0.2, "some 250 bytes there and back"


def test_new_connections_go_where_it_points_old_ones_stay(proxy: Proxy, through: redis.Redis, redis_client: redis.Redis) -> None:
    redis_client.set("k", "first")
    assert through.get("k") == b"first"
    proxy.target_port = free_port()
    assert through.get("k") == b"first"
    proxy.cut()
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            through.get("k")
    assert proxy.counts.refused >= 1
