from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from stand_in_worker import StandInWorker

from pool_client import ConfigurationError, Pool, PoolUnavailableError
from pool_client.redis_connection import CONNECTIONS, connect, connection_options, shown
from pool_worker.embedded_redis import EmbeddedRedis

SECRET = "hunter2"  # noqa: S105 - planted, to be looked for


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{SECRET}@host",
        f"redis://:{SECRET}@host:port/0",
        f"redis://:{SECRET}@host/0?wrong=1",
        f"redis://:{SECRET}/x@host:1",
        SECRET,
    ],
)
def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"redis_url: .* is not a Redis URL.*redis://localhost:6379/0") as caught:
        Pool(redis_url=url)
    seen: BaseException | None = caught.value
    while seen is not None:
        assert SECRET not in str(seen) or url == SECRET
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def test_an_unknown_option_of_the_url_is_named() -> None:
    with pytest.raises(ConfigurationError, match="unknown option 'wrong'"):
        connect("redis://localhost/0?wrong=1")


def test_a_pool_shows_no_password() -> None:
    pool = Pool(redis_url=f"redis://user:{SECRET}@example.test:6380/2")
    assert repr(pool) == "Pool(agent='default', redis_url='redis://example.test:6380/2')"
    assert shown(f"unix://:{SECRET}@/run/redis.sock?db=1") == "unix:///run/redis.sock"


def test_nothing_is_retried_unseen() -> None:
    assert connection_options()["retry"].get_retries() == 0
    assert connection_options(asynchronous=True)["retry"].get_retries() == 0


def test_more_threads_than_connections_wait_for_their_turn(redis_url: str, worker: StandInWorker) -> None:
    with Pool(redis_url=redis_url) as pool, ThreadPoolExecutor(CONNECTIONS + 30) as threads:
        list(threads.map(pool.submit, ["x"] * 300))
    assert len(worker.waiting()) == 300


def fill(server: redis.Redis) -> None:
    server.config_set("maxmemory", "1")


def make_replica(server: redis.Redis) -> None:
    server.replicaof("127.0.0.1", "1")


def lock(server: redis.Redis) -> None:
    server.config_set("requirepass", "x")


def forbid_scripts(server: redis.Redis) -> None:
    server.acl_setuser("default", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=["-evalsha"])


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (fill, "refuses writes: it is full"),
        (make_replica, "refuses writes: it is a read-only replica"),
        (lock, "refuses us: user name or password"),
        (forbid_scripts, "refuses us: this user may not run a command"),
        (lambda server: server.shutdown(nosave=True), "cannot be reached"),
    ],
    ids=["full", "replica", "locked", "forbidden", "gone"],
)
def test_each_trouble_has_its_own_words(own_server: EmbeddedRedis, break_it: Callable[[redis.Redis], None], told: str) -> None:
    with redis.Redis.from_url(own_server.url) as server:
        break_it(server)
    with Pool(redis_url=own_server.url) as pool:
        for submit in (lambda: pool.submit("x"), lambda: pool.submit_many(["x", "y"])):
            with pytest.raises(PoolUnavailableError, match=told):
                submit()


def test_a_refused_submit_leaves_nothing_behind(own_server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(own_server.url) as server, Pool(redis_url=own_server.url) as pool:
        fill(server)
        with pytest.raises(PoolUnavailableError):
            pool.submit("x", idempotency_key="k")
        assert server.keys() == []
        server.config_set("maxmemory", "0")
        pool.submit("x", idempotency_key="k")
        assert len(StandInWorker(redis.Redis.from_url(own_server.url, decode_responses=True)).waiting()) == 1
