from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stand_in_worker import StandInWorker

from pool_client import InvalidRequestError, Job, JobState, Message, Pool, redis_keys
from pool_client.client import CHUNK
from pool_client.envelope import render_message
from pool_client.scripts import Scripts
from pool_worker.embedded_redis import EmbeddedRedis


def test_the_record_holds_the_job(pool: Pool, redis_client: redis.Redis) -> None:
    job = pool.submit("Why?", priority="high", tier="paid", metadata={"ticket": 7})
    record = redis_client.hgetall(redis_keys.job(job.id))
    spec = Job.model_validate_json(record.pop("spec"))
    assert spec.messages == [Message(role="user", content="Why?")]
    assert spec.metadata == {"ticket": 7}
    assert abs(float(record.pop("submitted_ms")) / 1000 - time.time()) < 60
    assert record == {"agent": "log_analyzer", "state": "queued", "queue": "paid", "priority": "high"}
    assert redis_client.ttl(redis_keys.job(job.id)) == -1, "a job that waits is never forgotten"


def test_jobs_wait_in_the_order_of_their_priority_then_of_their_coming(pool: Pool, worker: StandInWorker) -> None:
    low, normal, high, critical = (pool.submit("x", priority=name).id for name in ("low", "normal", "high", "critical"))
    second = pool.submit("x", priority="high").id
    assert worker.waiting() == [critical, high, second, normal, low]


def test_no_queue_holds_a_prompt(pool: Pool, redis_client: redis.Redis) -> None:
    pool.submit("the secret of the cellar")
    (message,) = redis_client.lrange("free\x06\x166", 0, -1)
    assert "secret" not in message
    assert "secret" not in json.dumps(json.loads(message))


def test_the_same_idempotency_key_gives_the_same_job(pool: Pool, redis_url: str, worker: StandInWorker) -> None:
    first = pool.submit("x", idempotency_key="nightly")
    again = pool.submit("x", idempotency_key="nightly")
    with Pool(agent="security_monitor", redis_url=redis_url) as other:
        of_other_agent = other.submit("x", idempotency_key="nightly")
    assert again.id == first.id
    assert worker.waiting() == [first.id, of_other_agent.id]


def test_an_idempotency_key_lasts_as_long_as_its_job_and_a_day(pool: Pool, redis_client: redis.Redis) -> None:
    """A job may wait for a month's quota; who submits it again after a week must not get a second one."""
    job = pool.submit("x", idempotency_key="monthly")
    name = redis_keys.idempotency(pool.agent, "monthly")
    assert redis_client.pttl(name) == -1
    job.cancel()
    assert 0 < redis_client.pttl(name) <= redis_keys.RESULT_TTL_MS


def test_a_key_that_comes_with_an_id_known_before_does_not_stay_for_ever(pool: Pool, redis_client: redis.Redis) -> None:
    job = Job(id="one", messages=[Message(role="user", content="x")], agent=pool.agent)
    pool.send([job, job.model_copy(update={"idempotency_key": "late"})])
    assert 0 < redis_client.pttl(redis_keys.idempotency(pool.agent, "late")) <= redis_keys.RESULT_TTL_MS


def test_the_same_id_is_queued_once_even_when_it_has_ended(pool: Pool, worker: StandInWorker) -> None:
    job = Job(id="batch-7-line-1", messages=[Message(role="user", content="x")])
    assert pool.send([job, job]) == ["batch-7-line-1"] * 2
    worker.answer(worker.take())
    assert pool.send([job]) == ["batch-7-line-1"]
    assert worker.waiting() == []


def test_many_jobs_come_in_order(pool: Pool, worker: StandInWorker) -> None:
    texts = [str(number) for number in range(2 * CHUNK + 1)]
    jobs = pool.submit_many(texts, priority="low")
    assert worker.waiting() == [job.id for job in jobs]
    assert worker.take().messages[0].content == "0"


def test_requests_of_many_may_have_options_of_their_own(pool: Pool, worker: StandInWorker) -> None:
    requests = [{"prompt": "a", "priority": "high"}, {"messages": [{"role": "user", "content": "b"}]}]
    pool.submit_many(requests, priority="low", max_tokens=5)
    first, second = worker.take(), worker.take()
    assert (first.priority, first.max_tokens, first.messages[0].content) == ("high", 5, "a")
    assert (second.priority, second.messages[0].content) == ("low", "b")


@pytest.mark.parametrize(
    ("requests", "told"),
    [
        (["fine", {"prompt": "y", "temperature": 3}], "request 1: temperature: 3 is not valid"),
        (["fine", {"prompt": "y", "metadata": {"x": object()}}], "put only what JSON can say into it"),
        (["fine", 7], "request 1: prompt: 7 is not valid"),
    ],
)
def test_when_one_of_many_is_wrong_none_is_sent(pool: Pool, worker: StandInWorker, requests: list[object], told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        pool.submit_many(requests)
    assert worker.waiting() == []


def test_submitting_nothing_is_fine(pool: Pool) -> None:
    assert pool.submit_many([]) == []


def test_a_cut_connection_is_not_noticed(pool: Pool, redis_client: redis.Redis, worker: StandInWorker) -> None:
    pool.submit("before")
    redis_client.client_kill_filter(_type="normal", skipme=True)
    pool.submit("after")
    assert len(worker.waiting()) == 2


def test_an_answer_that_was_cut_off_is_asked_for_again(redis_server: EmbeddedRedis, worker: StandInWorker) -> None:
    """Redis accepted the job, but its answer was lost on the way: the job is sent again and is still one job."""
    with cutting_proxy(redis_server.port, cut_after=b"EVALSHA") as port, Pool(redis_url=f"redis://127.0.0.1:{port}/0") as pool:
        pool.submit("the script is known from now on")
        job = pool.submit("x")
        assert worker.waiting()[1:] == [job.id]


@contextmanager
def cutting_proxy(port: int, *, cut_after: bytes) -> Iterator[int]:
    """Passes bytes on to Redis; the connection on which this command comes for the second time is cut, once, not answered."""
    listening = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            while request := client.recv(65536):
                server.sendall(request)
                answer = server.recv(65536)
                seen.extend([request] if cut_after in request else [])
                if len(seen) == 2:
                    seen.append(b"cut")
                    return
                client.sendall(answer)

    def accept() -> None:
        with suppress(OSError), ThreadPoolExecutor() as threads:
            while True:
                threads.submit(serve, listening.accept()[0])

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield int(listening.getsockname()[1])
        assert b"cut" in seen
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()


def test_the_environment_names_the_redis(redis_url: str, worker: StandInWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_POOL_REDIS_URL", redis_url)
    with Pool() as pool:
        assert [pool.submit("x").id] == worker.waiting()


class TestAgentsDefaults:
    def publish(self, redis_client: redis.Redis, **defaults: object) -> None:
        redis_client.hset(redis_keys.AGENTS, "log_analyzer", json.dumps(defaults))

    def test_they_apply_unless_the_caller_says_otherwise(
        self, pool: Pool, redis_client: redis.Redis, worker: StandInWorker
    ) -> None:
        self.publish(
            redis_client, priority="high", task_type="analysis", max_tokens=300, deadline_s=60, weight_of_later_release=1
        )
        pool.submit("x", max_tokens=5, priority=None)
        job = worker.take()
        assert (job.priority, job.task_type, job.max_tokens) == ("high", "analysis", 5)
        assert job.deadline_at is not None
        assert (job.deadline_at - job.submitted_at).total_seconds() == 60

    def test_without_any_the_contract_s_own_apply(self, pool: Pool, worker: StandInWorker) -> None:
        pool.submit("x")
        job = worker.take()
        assert (job.priority, job.tier, job.max_tokens, job.on_exhausted) == ("normal", "free", None, "park")

    def test_they_are_read_again_after_a_minute(self, redis_url: str, redis_client: redis.Redis, worker: StandInWorker) -> None:
        now_s = 0.0
        clock: Callable[[], float] = lambda: now_s  # noqa: E731 - a clock that the test sets
        with Pool(agent="log_analyzer", redis_url=redis_url, clock=clock) as pool:
            pool.submit("x")
            self.publish(redis_client, max_tokens=7)
            now_s = 59.0
            pool.submit("x")
            now_s = 60.0
            pool.submit("x")
        assert [worker.take().max_tokens for _ in range(3)] == [None, None, 7]


SUBMISSIONS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([None, "k1", "k2"])), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(submissions=SUBMISSIONS)
def test_whatever_is_submitted_in_any_order_each_job_has_one_message(
    redis_client: redis.Redis, submissions: list[tuple[str, str | None]]
) -> None:
    """The model: an idempotency key stands for the id that took it first; an id is queued the first time it is its own."""
    redis_client.flushall()
    scripts = Scripts(redis_client)
    taken: dict[str, str] = {}
    queued: list[str] = []
    for number, (job_id, key) in enumerate(submissions):
        expected = taken.setdefault(key, job_id) if key else job_id
        if expected == job_id and job_id not in queued:
            queued.append(job_id)
        priority = Job.model_fields["priority"].default
        message = render_message(job_id, queue="free", priority=priority, origin="test")
        answered = scripts.submit(
            job_id=job_id,
            spec="{}",
            message=message,
            agent="a",
            queue="free",
            priority=priority,
            idempotency_key=key,
            now_ms=str(1000 + number),
        )
        assert answered == expected
    assert StandInWorker(redis_client).waiting() == queued
    assert all(redis_client.hget(redis_keys.job(job_id), "state") == JobState.QUEUED for job_id in queued)


def test_idle_workers_are_told(pool: Pool, redis_client: redis.Redis) -> None:
    bell = redis_keys.bell("free\x06\x166")
    for _ in range(2):
        pool.submit("x")
        assert redis_client.lrange(bell, 0, -1) == ["1"], "one stroke, however many jobs"
        assert 0 < redis_client.pttl(bell) <= redis_keys.BELL_TTL_MS


def test_the_clock_can_be_set(redis_client: redis.Redis) -> None:
    priority = Job.model_fields["priority"].default
    Scripts(redis_client).submit(
        job_id="j", spec="{}", message="m", agent="a", queue="q", priority=priority, idempotency_key="k", now_ms="1234"
    )
    assert redis_client.hget(redis_keys.job("j"), "submitted_ms") == "1234"
