"""Messages that cannot be worked on, in real worker processes: kept with the reason, and nobody else is harmed."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import redis

from pool_worker import redis_keys
from pool_worker.broker.dead_letters import REVIVED, DeadLetter, DeadLetters

HERE = Path(__file__).parent
WITHIN_S = 30

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def lab(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("TEST_REDIS_URL", redis_url)
    monkeypatch.syspath_prepend(str(HERE))
    sys.modules.pop("deadly_app", None)
    return importlib.import_module("deadly_app")


@pytest.fixture
def start_worker() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "-A", "deadly_app", "worker", "-c", "10", "-l", "error", "-n", "w@test"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
        started.append(subprocess.Popen(command, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_until(client: redis.Redis, is_so: Callable[[], object]) -> None:
    """Until another process has brought it about; nobody ever pushes to what is waited at."""
    until = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < until, "it did not come about"
        client.blpop(["nothing"], timeout=0.05)


def wait_for_end(client: redis.Redis, *names: str) -> None:
    """Until the tasks of these names have run."""
    for name in names:
        wait_until(client, partial(client.lpop, f"ended:{name}"))


def dead(redis_url: str) -> dict[str | None, DeadLetter]:
    with redis.Redis.from_url(redis_url) as client:
        return {letter.task_id: letter for letter in DeadLetters(client).newest(limit=100)}


def test_what_no_worker_can_read_is_kept_and_what_comes_after_it_is_done(
    lab: ModuleType, start_worker: Start, redis_client: redis.Redis, redis_url: str
) -> None:
    for text in ("{", '{"headers": {"id": "no-task"}, "properties": {}}'):
        redis_client.lpush("free", text)
    redis_client.lpush("free", b"\xff\xfe\x00")
    lab.app.send_task("of_tomorrow", task_id="unknown", queue="free")
    lab.app.send_task("note", args=({1, 2},), task_id="pickled", queue="free", serializer="yaml")
    lab.note.apply_async(("last",))
    start_worker()
    wait_for_end(redis_client, "last")
    letters = dead(redis_url)
    assert letters["unknown"].reason == "no task is called 'of_tomorrow' in the workers' release: update the workers"
    assert letters["pickled"].reason == "content-type: 'application/x-yaml'; the workers accept application/json only"
    assert letters["no-task"].reason == "headers.task: nothing is no task's name"
    assert redis_client.zcard(redis_keys.DEAD_LETTERS) == 5
    wait_until(redis_client, lambda: not redis_client.exists(*redis_keys.MESSAGE_KEYS))


class Trap:
    """Whoever unpickles it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self._folder),)


def test_a_pickle_is_kept_and_never_opened(
    lab: ModuleType, start_worker: Start, redis_client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    lab.app.send_task("note", args=(Trap(tmp_path / "sprung"),), task_id="trap", queue="free", serializer="pickle")
    lab.note.apply_async(("last",))
    start_worker()
    wait_for_end(redis_client, "last")
    assert (
        dead(redis_url)["trap"].reason
        == "content-type: 'application/x-python-serialize'; the workers accept application/json only"
    )
    assert not (tmp_path / "sprung").exists()


def test_a_task_that_kills_its_workers_is_kept_and_its_neighbours_are_done(
    lab: ModuleType, start_worker: Start, redis_client: redis.Redis, redis_url: str
) -> None:
    names = [f"neighbour{number}" for number in range(30)]
    for name in names[:10]:
        lab.note.delay(name)
    deadly = lab.die.delay()
    for name in names[10:]:
        lab.note.delay(name)
    for _ in range(3):
        start_worker().wait(WITHIN_S)
    start_worker()
    wait_until(redis_client, lambda: redis_client.exists(redis_keys.DEAD_LETTERS))
    wait_for_end(redis_client, *names)
    letters = dead(redis_url)
    assert set(letters) == {deadly.id}
    assert letters[deadly.id].reason.startswith("3 workers died")
    assert letters[deadly.id].deliveries == 4


def test_what_was_mended_is_done_when_it_is_revived(
    lab: ModuleType, start_worker: Start, redis_client: redis.Redis, redis_url: str
) -> None:
    lab.app.send_task("of_tomorrow", args=("late",), task_id="unknown", queue="free")
    lab.note.apply_async(("last",))
    start_worker()
    wait_for_end(redis_client, "last")
    letter = dead(redis_url)["unknown"]
    with redis.Redis.from_url(redis_url) as client:
        message = json.loads(DeadLetters(client).message(letter.id) or b"")
        message["headers"]["task"] = "note"
        client.hset(redis_keys.dead_letter(letter.id), "message", json.dumps(message))
        assert DeadLetters(client).revive(letter) == REVIVED
    wait_for_end(redis_client, "late")
    assert dead(redis_url) == {}
