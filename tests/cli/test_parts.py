from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator

import pytest
import redis
from command_line import GONE_WITHIN_S, CommandLine, wait_until

from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker import redis_keys
from pool_worker.embedded_redis import free_port

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(cli: CommandLine, redis_url: str) -> Iterator[Start]:
    """Starts a part at the tests' Redis; what a test leaves running is ended."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        command = cli.command(*arguments, "--redis", redis_url)
        process = subprocess.Popen(
            command, cwd=cli.folder, env=cli.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_a_worker_serves_the_queues_it_was_given_and_leaves_when_asked(
    cli: CommandLine, start: Start, redis_client: redis.Redis
) -> None:
    assert cli.run("database", "migrate").returncode == 0
    process = start("worker", "--queues", "free,free.groq", "--name", "mine", "--concurrency", "3")
    name = redis_keys.worker(f"mine@{socket.gethostname()}")
    wait_until(lambda: process.poll() is not None or bool(redis_client.exists(name)), within_s=60)
    assert process.poll() is None, process.communicate()[0]
    facts = json.loads(str(redis_client.get(name)))
    assert facts["queues"] == ["free", "free.groq"]
    assert facts["pid"] == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(GONE_WITHIN_S) == 0


def test_beat_holds_its_lock_while_it_runs(start: Start, redis_client: redis.Redis) -> None:
    process = start("beat")
    wait_until(lambda: process.poll() is not None or bool(redis_client.exists(MAINTENANCE_QUEUE)), within_s=60)
    assert process.poll() is None, process.communicate()[0]
    assert redis_client.exists(redis_keys.BEAT_LOCK)
    process.send_signal(signal.SIGINT)
    assert process.wait(GONE_WITHIN_S) == 0
    assert not redis_client.exists(redis_keys.BEAT_LOCK)


def test_flower_answers_on_this_machine_only(start: Start) -> None:
    port = free_port()
    process = start("flower", "--port", str(port))
    wait_until(lambda: process.poll() is not None or _answers(port), within_s=60)
    assert process.poll() is None, process.communicate()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=10) as answer:
        assert answer.status == 200


def test_the_simulator_knows_its_profile(start: Start) -> None:
    port = free_port()
    process = start("simulate", "--port", str(port))
    wait_until(lambda: process.poll() is not None or _answers(port), within_s=60)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_admin/counts", timeout=10) as answer:
        assert len(json.load(answer)["providers"]) >= 8
    process.send_signal(signal.SIGTERM)
    assert process.wait(GONE_WITHIN_S) in {0, -signal.SIGTERM}


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
