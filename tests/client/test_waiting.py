from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
import redis
from stand_in_worker import StandInWorker, subscribed

from pool_client import (
    InvalidRequestError,
    JobTimeoutError,
    Pool,
    PoolUnavailableError,
    RateLimitError,
    Result,
    redis_keys,
)
from pool_client.listener import Listener
from pool_client.queues import list_name
from pool_worker.embedded_redis import EmbeddedRedis, free_port


def listeners() -> set[threading.Thread]:
    """Of all pools in this process; other tests' pools may be open meanwhile."""
    return {thread for thread in threading.enumerate() if thread.name == "pool-listener"}


def test_a_result_that_comes_while_waiting(pool: Pool, worker: StandInWorker, redis_client: redis.Redis) -> None:
    job = pool.submit("x")
    future = pool.outcome(job.id)
    subscribed(redis_client, 1)
    result = worker.answer(worker.take())
    assert future.result(5) == result
    subscribed(redis_client, 0)


def test_a_result_that_was_there_before(pool: Pool, worker: StandInWorker) -> None:
    job = pool.submit("x")
    result = worker.answer(worker.take())
    assert job.result(timeout=5) == result
    assert pool.job(job.id).result(timeout=0) == result


def test_a_failure_is_raised_with_its_details_each_time(pool: Pool, worker: StandInWorker) -> None:
    job = pool.submit("x")
    failure = worker.fail(worker.take(), RateLimitError("spent"))
    for _ in range(2):
        with pytest.raises(RateLimitError, match="spent") as caught:
            job.result(timeout=5)
        assert caught.value.failure == failure


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_when_the_time_is_over_the_job_goes_on(
    pool: Pool, worker: StandInWorker, redis_client: redis.Redis, timeout: float
) -> None:
    job = pool.submit("x")
    with pytest.raises(JobTimeoutError, match=f"did not end within {timeout} s; it goes on"):
        job.result(timeout=timeout)
    subscribed(redis_client, 0)
    worker.answer(worker.take())
    assert job.result(timeout=5).content == "42"


def test_a_job_that_nobody_submitted(pool: Pool) -> None:
    with pytest.raises(InvalidRequestError, match="'nobody' is not known"):
        pool.job("nobody").result(timeout=5)


def test_thousands_wait_with_one_connection(pool: Pool, worker: StandInWorker, redis_client: redis.Redis) -> None:
    jobs = pool.submit_many(str(number) for number in range(1000))
    listening: list[int] = []

    async def wait_for_all() -> list[Result]:
        return await asyncio.gather(*jobs)

    def answer_all() -> None:
        subscribed(redis_client, 1000)
        listening.append(redis_client.info("clients")["pubsub_clients"])
        for job in jobs:
            worker.answer(job.id, content=job.id)

    answering = threading.Thread(target=answer_all)
    answering.start()
    results = asyncio.run(wait_for_all())
    answering.join()
    assert [result.content for result in results] == [job.id for job in jobs]
    assert listening == [1]


def test_who_gives_up_leaves_the_others_waiting(pool: Pool, worker: StandInWorker, redis_client: redis.Redis) -> None:
    job = pool.submit("x")

    async def scenario() -> Result:
        patient = asyncio.ensure_future(pool.job(job.id)._awaited())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await job
        worker.answer(worker.take())
        return await patient

    assert asyncio.run(scenario()).content == "42"
    subscribed(redis_client, 0)


def test_the_wait_survives_a_restart_of_redis(own_server: EmbeddedRedis, tmp_path: Path) -> None:
    with Pool(redis_url=own_server.url) as pool, redis.Redis.from_url(own_server.url, decode_responses=True) as client:
        job = pool.submit("x")
        future = pool.outcome(job.id)
        subscribed(client, 1)
        own_server.stop()
        with pytest.raises(PoolUnavailableError, match="cannot be reached"):
            job.result(timeout=0.3)
        again = EmbeddedRedis.start(own_server.home, port=own_server.port)
        try:
            StandInWorker(client).answer(job.id)
            assert future.result(10).job_id == job.id
        finally:
            again.stop()


def test_a_lost_message_is_found_by_looking_again(redis_url: str, redis_client: redis.Redis, worker: StandInWorker) -> None:
    with Pool(redis_url=redis_url) as pool:
        job = pool.submit("x")
    listener = Listener(redis_url, look_again_s=0.1)
    future = listener.wait_for(job.id)
    subscribed(redis_client, 1)
    worker.finish(Result(job_id=job.id, content="found", model_id="m", provider="groq"), tell=False)
    assert future.result(5).content == "found"
    listener.close()


def test_when_redis_was_emptied_the_wait_ends_in_an_error(redis_url: str, redis_client: redis.Redis) -> None:
    with Pool(redis_url=redis_url) as pool:
        job = pool.submit("x")
    listener = Listener(redis_url, look_again_s=0.1)
    future = listener.wait_for(job.id)
    subscribed(redis_client, 1)
    redis_client.flushall()
    with pytest.raises(InvalidRequestError, match="is not known"):
        future.result(5)
    listener.close()


def test_a_dead_connection_is_noticed(redis_url: str, redis_client: redis.Redis, worker: StandInWorker) -> None:
    """The server stops answering for longer than the listener is patient, and comes back."""
    with Pool(redis_url=redis_url) as pool:
        job = pool.submit("x")
    listener = Listener(redis_url, look_again_s=0.05)
    future = listener.wait_for(job.id)
    subscribed(redis_client, 1)
    redis_client.client_pause(300)
    while listener.trouble is None:
        pass
    assert "no answer" in listener.trouble or "did not answer" in listener.trouble
    redis_client.client_unpause()
    worker.answer(worker.take())
    assert future.result(5).content == "42"
    listener.close()


def test_a_wrong_password_is_told_at_once(own_server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("requirepass", "right")
        with Pool(redis_url=own_server.url.replace("//", "//:wr0ng@")) as pool:
            for attempt in (lambda: pool.job("x").result(), lambda: pool.submit("x")):
                with pytest.raises(PoolUnavailableError, match="user name or password") as caught:
                    attempt()
                assert "wr0ng" not in str(caught.value) + repr(caught.value.__cause__)


def test_without_redis_submit_says_so() -> None:
    with (
        Pool(redis_url=f"redis://127.0.0.1:{free_port()}/0") as pool,
        pytest.raises(PoolUnavailableError, match="cannot be reached"),
    ):
        pool.submit("x")


def test_closing_ends_the_thread_and_the_waits(redis_url: str, redis_client: redis.Redis) -> None:
    others = listeners()
    with Pool(redis_url=redis_url) as pool:
        job = pool.submit("x")
        future = pool.outcome(job.id)
        subscribed(redis_client, 1)
        assert len(listeners() - others) == 1
    assert listeners() <= others
    for wait in (future.result, job.result):
        with pytest.raises(PoolUnavailableError, match="closed"):
            wait(5)
    pool.close()


def test_closing_is_never_stuck_behind_work(redis_url: str, worker: StandInWorker) -> None:
    """A wake-up that comes together with the end must not swallow it."""
    for _ in range(50):
        with Pool(redis_url=redis_url) as pool:
            job = pool.submit("x")
            worker.answer(job.id)
            job.result(5)


def test_a_forgotten_pool_ends_its_thread(redis_url: str, worker: StandInWorker) -> None:
    others = listeners()
    pool = Pool(redis_url=redis_url)
    job = pool.submit("x")
    worker.answer(job.id)
    job.result(5)
    assert len(listeners() - others) == 1
    del pool, job
    assert listeners() <= others


def test_a_pool_that_never_waits_has_no_thread(redis_url: str) -> None:
    others = listeners()
    with Pool(redis_url=redis_url) as pool:
        pool.submit("x")
        assert listeners() <= others


def test_waiting_leaves_no_redis_key(pool: Pool, redis_client: redis.Redis, worker: StandInWorker) -> None:
    job = pool.submit("x")
    worker.answer(worker.take())
    job.result(5)
    assert set(redis_client.keys()) == {redis_keys.job(job.id), redis_keys.result(job.id), redis_keys.bell(list_name("free", 6))}
