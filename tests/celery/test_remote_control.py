"""Celery's remote control of our workers: inspecting them, taking jobs back, workers of the plain command line."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import celery
import pytest
from at_work import Running, Start, held_up, until
from celery.result import AsyncResult

from pool_client import JobCancelledError
from pool_client.job import JobState
from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker import redis_keys

WORKER = f"worker@{socket.gethostname()}"
TICK = "pool.summarise_days"
GROQ_MODEL = "groq_gpt_oss_120b"


def test_workers_answer_and_the_answers_leave_nothing_in_redis(running: Running) -> None:
    inspect = running.app.control.inspect(timeout=5, limit=1)
    assert inspect.ping() == {WORKER: {"ok": "pong"}}
    assert inspect.active() == {WORKER: []}
    assert inspect.stats()[WORKER]["broker"]["transport"] == "redis"
    until(running.at_rest)
    left = [key for key in running.redis.scan_iter("*.reply.celery.pidbox") if running.redis.ttl(key) < 0]
    assert left == [], "a bell that rang ends by itself"


def test_results_are_read_by_celerys_own_class(running: Running) -> None:
    job = running.pool.submit("Which line is odd?")
    reader = celery.Celery(backend=running.url, set_as_current=False)
    try:
        result = AsyncResult(job.id, app=reader).get(timeout=20)
        assert result["content"] == job.result(timeout=5).content
    finally:
        reader.backend.result_consumer.stop()
        reader.close()


def test_revoking_a_job_cancels_it_while_it_waits_and_while_it_runs(running: Running) -> None:
    running.simulator.fault("groq", "hang")
    job = running.pool.submit("What happened?", model=GROQ_MODEL)
    until(lambda: job.status().state is JobState.RUNNING)
    running.app.control.revoke(job.id, terminate=True)
    with pytest.raises(JobCancelledError):
        job.result(timeout=20)
    running.simulator.clear_faults()

    with held_up(running.worker_pid):
        waiting = running.pool.submit("What happened?")
        running.app.control.revoke(waiting.id)
    with pytest.raises(JobCancelledError):
        waiting.result(timeout=20)
    until(running.at_rest)


def test_purging_cancels_what_waits(running: Running) -> None:
    with held_up(running.worker_pid):
        jobs = [running.pool.submit("What happened?", priority=priority) for priority in ("low", "critical")]
        tick = running.app.send_task(TICK)
        assert running.app.control.purge() >= len(jobs) + 1
        assert [job.status().state for job in jobs] == [JobState.CANCELLED] * 2
        assert not any(tick.id in message for message in running.redis.lrange(MAINTENANCE_QUEUE, 0, -1)), (
            "a later one of beat's may be"
        )
    until(running.at_rest)
    assert [job.status().state for job in jobs] == [JobState.CANCELLED] * 2


def test_an_expired_tick_is_dropped(running: Running) -> None:
    def done() -> int:
        return running.app.control.inspect(timeout=5, limit=1).stats()[WORKER]["total"].get(TICK, 0)

    before = done()
    running.app.send_task(TICK, expires=datetime.now(UTC) - timedelta(seconds=1))
    running.app.send_task(TICK)
    until(lambda: done() > before)
    assert done() == before + 1


def test_a_worker_of_celerys_command_line_serves_its_queues_and_finishes_before_it_leaves(
    running: Running, start_python: Start
) -> None:
    name = f"x@{socket.gethostname()}"
    plain = start_python("celery", "-A", "pool_worker.app", "worker", "-Q", "free,free.groq", "-n", "x@%h", **running.environment)
    until(lambda: running.app.control.ping([name], timeout=0.5))
    queues = running.app.control.inspect([name], timeout=5, limit=1).active_queues()[name]
    assert {queue["name"] for queue in queues} == {"free", "free.groq"}
    assert running.redis.hexists(redis_keys.WORKERS, name)

    running.simulator.fault("groq", "slow", delay_s=1.0, count=1)
    with held_up(running.worker_pid):
        job = running.pool.submit("Which line is odd?", model=GROQ_MODEL)
        until(lambda: job.status().state is JobState.RUNNING)
        plain.terminate()
        assert job.result(timeout=20).provider == "groq"
        assert plain.wait(20) == 0
    assert not running.redis.hexists(redis_keys.WORKERS, name), "nobody misses who has left in order"
    assert not running.redis.exists(redis_keys.worker(name))


def test_other_pools_are_refused(running: Running, start_python: Start) -> None:
    threads = start_python("celery", "-A", "pool_worker.app", "worker", "-P", "solo", **running.environment)
    said, _ = threads.communicate(timeout=20)
    assert threads.returncode == 1
    assert "leave out -P" in said
