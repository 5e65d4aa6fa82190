"""A client whose Redis is away, starts, is full, or loses its answers: an error that says so, or a wait; never two jobs."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
import redis.asyncio
from lab_processes import LabRedis
from proxy import Proxy
from refusals import demote, fill, promote, relieve
from runs import lasts
from stand_in_worker import StandInWorker, subscribed

from pool_client import ConfigurationError, JobState, Pool, PoolUnavailableError
from pool_client.patience import Aftermath, Patience
from pool_client.redis_connection import async_pool, connect, pubsub_connection


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabRedis]:
    server = LabRedis(tmp_path / "redis")
    server.start()
    yield server
    server.close()


@pytest.fixture
def proxy(server: LabRedis) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@contextmanager
def after(seconds: float, action: Callable[[], object]) -> Iterator[None]:
    """While the block runs, this happens."""
    timer = threading.Timer(seconds, action)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def waiting(server: LabRedis) -> list[str]:
    return StandInWorker(server.client).waiting()


def test_without_redis_everything_says_so_at_once(server: LabRedis) -> None:
    with Pool(redis_url=server.url) as pool:
        job = pool.submit("x")
        server.kill()
        began = time.monotonic()
        for ask, told in (
            (lambda: pool.submit("x"), r"cannot be reached: .*: nothing was submitted$"),
            (lambda: pool.submit_many(["x", "y"]), "cannot be reached"),
            (job.status, "cannot be reached"),
            (job.cancel, "cannot be reached"),
            (lambda: job.result(timeout=0), "cannot be reached"),
            (lambda: job.result(timeout=0.05), "cannot be reached"),
        ):
            with pytest.raises(PoolUnavailableError, match=told):
                ask()
        assert time.monotonic() - began < 2


def test_who_wants_to_wait_waits(server: LabRedis) -> None:
    with Pool(redis_url=server.url, redis_wait_s=20) as pool:
        first = pool.submit("x")
        for ask in (
            lambda: pool.submit("y"),
            lambda: pool.submit_many(["a", "b"]),
            first.status,
            first.cancel,
        ):
            server.kill()
            with after(0.3, server.start):
                ask()
    assert first.status().state is JobState.CANCELLED
    assert len(waiting(server)) == 4


def test_who_waits_is_told_in_the_end(server: LabRedis) -> None:
    server.kill()
    with Pool(redis_url=server.url, redis_wait_s=0.4) as pool:
        began = time.monotonic()
        with pytest.raises(PoolUnavailableError, match="nothing was submitted"):
            pool.submit("x")
        assert 0.2 < time.monotonic() - began < 2


def test_a_result_is_waited_for_across_a_kill_and_a_restart(server: LabRedis) -> None:
    with Pool(redis_url=server.url) as pool:
        job = pool.submit("x")
        future = pool.outcome(job.id)
        subscribed(server.client, 1)
        server.kill()
        server.start()
        StandInWorker(server.client).answer(job.id)
        assert future.result(10).job_id == job.id


@pytest.mark.parametrize("key", [None, "nightly"])
def test_one_submit_is_one_job_however_often_its_answer_is_lost(proxy: Proxy, server: LabRedis, key: str | None) -> None:
    """Nothing is heard for a while; all that was said meanwhile reaches Redis in the end."""
    with Pool(redis_url=f"{proxy.url}?socket_timeout=0.1", redis_wait_s=30) as pool:
        known = pool.submit("the agent's defaults are read and the script is known")
        proxy.fall_silent()
        with after(1.0, proxy.speak):
            job = pool.submit("x", idempotency_key=key)
            jobs = pool.submit_many(["y", "z"])
        assert proxy.counts.connections >= 3, "it was said more than once"
        assert waiting(server) == [each.id for each in (known, job, *jobs)]


def test_when_the_answer_is_lost_and_nobody_waits_it_is_told_that_nobody_knows(proxy: Proxy, server: LabRedis) -> None:
    with Pool(redis_url=f"{proxy.url}?socket_timeout=0.2") as pool:
        pool.submit("x")
        proxy.fall_silent()
        with pytest.raises(PoolUnavailableError, match=r"did not answer in time; the job may have been accepted"):
            pool.submit("x", idempotency_key="once")
        with pytest.raises(PoolUnavailableError, match=r"did not answer in time; some of the jobs may have been accepted"):
            pool.submit_many(["x", "y"])
        proxy.speak()
        again = pool.submit("x", idempotency_key="once")
        assert waiting(server).count(again.id) == 1


def lose_replicas(server: redis.Redis) -> None:
    server.config_set("min-replicas-to-write", "1")


def find_replicas(server: redis.Redis) -> None:
    server.config_set("min-replicas-to-write", "0")


@pytest.mark.parametrize(
    ("refuse", "accept", "told"),
    [
        (fill, relieve, r"it is full \(raise its maxmemory, or wait until jobs are done\): nothing was submitted$"),
        (demote, promote, r"it is a read-only replica \(use the URL of the primary\): nothing was submitted$"),
        (lose_replicas, find_replicas, "too few of its replicas are connected: nothing was submitted$"),
    ],
    ids=["full", "replica", "alone"],
)
def test_a_refusal_is_told_in_words_or_waited_for(
    server: LabRedis, refuse: Callable[[redis.Redis], None], accept: Callable[[redis.Redis], None], told: str
) -> None:
    refuse(server.client)
    with Pool(redis_url=server.url) as pool:
        with pytest.raises(PoolUnavailableError, match=told):
            pool.submit("a prompt that errors do not repeat", idempotency_key="k")
        with pytest.raises(PoolUnavailableError, match="some of the jobs may have been accepted") as caught:
            pool.submit_many(["a prompt that errors do not repeat"] * 2)
        assert "a prompt" not in str(caught.value) + str(caught.value.__cause__)
    assert server.client.keys() == []
    with Pool(redis_url=server.url, redis_wait_s=math.inf) as pool, after(0.3, lambda: accept(server.client)):
        job = pool.submit("x", idempotency_key="k")
    assert waiting(server) == [job.id]


def test_after_a_failover_connections_to_the_old_primary_are_let_go(proxy: Proxy, server: LabRedis, tmp_path: Path) -> None:
    """The old primary lives on as a replica and keeps its connections; new ones go to the new primary."""
    promoted = LabRedis(tmp_path / "promoted")
    promoted.start()
    try:
        with Pool(redis_url=proxy.url, redis_wait_s=20) as pool:
            pool.submit("x")
            demote(server.client)
            proxy.target_port = promoted.port
            job = pool.submit("y")
        assert waiting(promoted) == [job.id]
    finally:
        promoted.close()


def test_a_wrong_password_is_not_waited_for(server: LabRedis) -> None:
    server.client.config_set("requirepass", "right")
    with (
        Pool(redis_url=server.url.replace("//", "//:wr0ng@"), redis_wait_s=60) as pool,
        pytest.raises(PoolUnavailableError, match="user name or password is missing or wrong: nothing was submitted"),
    ):
        pool.submit("x")


@pytest.mark.parametrize("wrong", [-1, math.nan, "soon", None])
def test_a_wrong_wait_is_told(wrong: float) -> None:
    with pytest.raises(ConfigurationError, match=r"redis_wait_s: .* is not valid: it should be a number of seconds from 0 on"):
        Pool(redis_wait_s=wrong)


def test_a_unix_socket_is_a_redis_url_too(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/redis.sock"
    with connect(url) as client, pytest.raises(redis.ConnectionError, match="connecting to"):
        client.ping()
    assert pubsub_connection(url).repr_pieces()[0][0] == "path"


def test_the_url_s_own_time_out_is_not_for_those_who_only_listen() -> None:
    """With one, redis-py would wait in a way that can swallow a cancellation, and closing the pool could take for ever."""
    assert pubsub_connection("redis://127.0.0.1:1/0?socket_timeout=5").socket_timeout is None


def test_closing_is_never_stuck_behind_a_bad_network(server: LabRedis) -> None:
    for number in range(12):
        with Proxy(server.port) as proxy:
            pool = Pool(redis_url=f"{proxy.url}?socket_timeout=0.1")
            pool.submit("x")
            futures = [pool.outcome(pool.submit("x").id)]
            proxy.fall_silent()
            if number % 2:
                proxy.cut()
            futures.append(pool.outcome("another"))
            lasts(number / 100)
            began = time.monotonic()
            pool.close()
            assert time.monotonic() - began < 2
            assert all(isinstance(future.exception(), PoolUnavailableError) for future in futures)


class TestPauses:
    def asked(self, *, wait_s: float, error: Exception) -> tuple[list[float], str]:
        """The pauses made before it was told, and what was told of the change that was asked for."""
        pauses: list[float] = []
        self.asked_times = 0

        def question() -> None:
            self.asked_times += 1
            raise error

        patience = Patience(
            url="redis://127.0.0.1:1/0", wait_s=wait_s, clock=lambda: sum(pauses), rest=pauses.append, reconnect=lambda: None
        )
        with pytest.raises(PoolUnavailableError) as caught:
            patience.ask(question, aftermath=Aftermath(surely_not=" - not done", unknown=" - who knows"))
        return pauses, str(caught.value).rpartition(" - ")[2]

    def test_they_grow_to_a_second_and_end_in_time(self) -> None:
        error = redis.ReadOnlyError("x")
        pauses, told = self.asked(wait_s=5, error=error)
        assert pauses[:9] == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1, 1, 1, 0.45])
        assert sum(pauses) == pytest.approx(5)
        assert told == "not done"

    def test_a_broken_connection_is_replaced_once_at_once_by_anybody(self) -> None:
        error = redis.ConnectionError("Connection closed by server.")
        assert self.asked(wait_s=0, error=error) == ([], "who knows")
        assert self.asked_times == 2
        assert self.asked(wait_s=0.2, error=error) == ([0.05, 0.1, pytest.approx(0.05)], "who knows")

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (redis.ConnectionError("Error 111 connecting to x"), "not done"),
            (redis.ConnectionError("max number of clients reached"), "not done"),
            (redis.BusyLoadingError("x"), "not done"),
            (redis.TimeoutError("Timeout connecting to server"), "not done"),
            (redis.TimeoutError("Timeout reading from x"), "who knows"),
            (OSError(5, "x"), "who knows"),
        ],
    )
    def test_other_trouble_is_not_asked_again_unasked(self, error: Exception, told: str) -> None:
        assert self.asked(wait_s=0, error=error) == ([], told)
        assert self.asked_times == 1

    @pytest.mark.parametrize("error", [redis.AuthenticationError("x"), redis.ResponseError("WRONGTYPE x")])
    def test_what_does_not_pass_is_not_waited_for(self, error: Exception) -> None:
        assert self.asked(wait_s=60, error=error) == ([], "not done")


def test_coroutines_leave_a_replica_too(proxy: Proxy, server: LabRedis, tmp_path: Path) -> None:
    """After READONLY the next command of the same connection goes to whoever is the primary at that address now."""
    promoted = LabRedis(tmp_path / "promoted")
    promoted.start()

    async def scenario() -> None:
        async with redis.asyncio.Redis.from_pool(async_pool(proxy.url, max_connections=1)) as client:
            await client.set("k", "old")
            demote(server.client)
            proxy.target_port = promoted.port
            with pytest.raises(redis.ReadOnlyError):
                await client.set("k", "new")
            await client.set("k", "new")

    try:
        asyncio.run(scenario())
        assert (server.client.get("k"), promoted.client.get("k")) == ("old", "new")
    finally:
        promoted.close()
