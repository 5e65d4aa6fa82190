"""The transport and the pool in real worker processes: nothing is lost when one is killed, and a leaving one leaves well."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import redis

from pool_worker import redis_keys

HERE = Path(__file__).parent
WITHIN_S = 30.0

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def lab(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("TEST_REDIS_URL", redis_url)
    monkeypatch.syspath_prepend(str(HERE))
    sys.modules.pop("worker_app", None)
    return importlib.import_module("worker_app")


@pytest.fixture
def start_worker(lab: ModuleType) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*, concurrency: int = 50, drain_s: float = 10) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "-A", "worker_app", "worker", "-c", str(concurrency), "-l", "error"]
        command += ["-n", f"w{len(started)}@test", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        environment = {**os.environ, "PYTHONPATH": str(HERE), "TEST_DRAIN_S": str(drain_s), "PYTHONWARNINGS": "ignore"}
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds that another process brings about."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def is_idle(client: redis.Redis) -> bool:
    return not client.exists("free", redis_keys.UNACKED)


def test_coroutines_and_functions_run_and_are_acknowledged(
    lab: ModuleType, start_worker: Start, redis_client: redis.Redis
) -> None:
    for number in range(100):
        (lab.plain if number % 10 == 0 else lab.count).delay(number)
    lab.fail.delay()
    start_worker()
    until(lambda: redis_client.hlen("done") == 100 and is_idle(redis_client))
    assert set(redis_client.hvals("done")) == {"1"}
    assert not redis_client.exists(redis_keys.UNACKED_INDEX, redis_keys.DELIVERIES)


def test_killing_busy_workers_loses_nothing(lab: ModuleType, start_worker: Start, redis_client: redis.Redis) -> None:
    for number in range(1500):
        lab.count.delay(number)
    for kill in range(3):
        worker = start_worker()
        until(lambda kill=kill: redis_client.hlen("done") > (kill + 1) * 300)
        worker.kill()
        worker.wait()
    start_worker()
    until(lambda: redis_client.hlen("done") == 1500 and is_idle(redis_client))


def test_a_task_longer_than_the_lease_is_not_given_to_another_worker(
    lab: ModuleType, start_worker: Start, redis_client: redis.Redis
) -> None:
    start_worker()
    lab.wait_for.delay("gate")
    until(lambda: redis_client.llen("log"))
    start_worker()
    before_ms = _lease_end_ms(redis_client)
    until(lambda: _lease_end_ms(redis_client) > before_ms + 1500)
    redis_client.rpush("gate", "open")
    until(lambda: is_idle(redis_client))
    assert redis_client.lrange("log", 0, -1) == ["gate started"]


def test_a_cut_connection_gives_no_job_away(lab: ModuleType, start_worker: Start, redis_client: redis.Redis) -> None:
    for _ in range(2):
        start_worker()
    lab.wait_for.delay("gate")
    until(lambda: redis_client.llen("log"))
    for cut in range(3):
        until(lambda: hubs(redis_client))
        for hub in hubs(redis_client):
            redis_client.client_kill_filter(_id=hub)
        lab.count.delay(cut)
        until(lambda cut=cut: redis_client.hexists("done", str(cut)))
    redis_client.rpush("gate", "open")
    until(lambda: is_idle(redis_client))
    assert redis_client.lrange("log", 0, -1) == ["gate started"]
    assert set(redis_client.hgetall("done").values()) == {"1"}


def test_a_task_that_is_broken_off_from_inside_is_done_again(
    lab: ModuleType, start_worker: Start, redis_client: redis.Redis
) -> None:
    start_worker()
    lab.break_off.delay("once")
    until(lambda: redis_client.hget("done", "once") == "2" and is_idle(redis_client))


def hubs(client: redis.Redis) -> list[str]:
    """The connections over which workers claim: idle, they wait at the bells."""
    return [each["id"] for each in client.client_list() if each["cmd"] == "brpop"]


def _lease_end_ms(client: redis.Redis) -> float:
    return max((score for _, score in client.zrange(redis_keys.UNACKED_INDEX, 0, -1, withscores=True)), default=0.0)


def test_a_leaving_worker_lets_its_tasks_finish(lab: ModuleType, start_worker: Start, redis_client: redis.Redis) -> None:
    worker = start_worker()
    lab.wait_for.delay("gate")
    until(lambda: redis_client.llen("log"))
    worker.terminate()
    lab.count.delay(1)
    redis_client.rpush("gate", "open")
    assert worker.wait(WITHIN_S) == 0
    assert redis_client.hgetall("done") == {"gate": "1"}, "and it claims nothing more"
    assert redis_client.lrange("log", 0, -1) == ["gate started", "left"]


def test_what_outlasts_the_drain_goes_back_to_the_head_of_its_queue(
    lab: ModuleType, start_worker: Start, redis_client: redis.Redis
) -> None:
    worker = start_worker(drain_s=0.2)
    result = lab.wait_for.delay("gate")
    until(lambda: redis_client.llen("log"))
    worker.terminate()
    lab.count.delay(1)
    assert worker.wait(WITHIN_S) == 0
    assert redis_client.lrange("log", 0, -1) == ["gate started", "gate cancelled", "left"]
    assert redis_client.hlen(redis_keys.UNACKED) == 0
    assert redis_client.llen("free") == 2
    assert result.id in redis_client.lindex("free", -1)
