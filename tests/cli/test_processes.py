from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from command_line import is_gone, wait_until, wait_until_gone

from pool_client.redis_connection import connect
from pool_worker.cli.kept_redis import KeptRedis, choose_port, stop_leftover
from pool_worker.cli.processes import QUICK_DEATHS, BackOff, Child, Lifeline
from pool_worker.cli.terminal import CommandError
from pool_worker.embedded_redis import EmbeddedRedis, free_port

WITHIN_S = 20.0
QUICK = BackOff(first_s=0.01, most_s=0.02)


class Heard:
    """A report that can be waited for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[str] = []
        self._news = threading.Condition()

    def log(self, part: str, line: str) -> None:
        with self._news:
            self.lines.append(f"{part}: {line}")
            self._news.notify_all()

    def note(self, text: str) -> None:
        with self._news:
            self.notes.append(text)
            self._news.notify_all()

    def wait_for(self, true: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(true, WITHIN_S), (self.lines, self.notes)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    line = Lifeline()
    yield line
    line.close()


@pytest.fixture
def child_of(heard: Heard, lifeline: Lifeline, tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Starts a Python program as a kept child."""
    started: list[Child] = []

    def start(program: str, *, at_once: bool = True) -> Child:
        (tmp_path / "a_part.py").write_text(program)
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        child = Child(
            "part",
            ["a_part"],
            environment=environment,
            report=heard,
            lifeline=lifeline,
            grace_s=1,
            at_once=at_once,
            back_off=QUICK,
        )
        started.append(child)
        return child.start()

    yield start
    for child in started:
        child.kill()
        child.join()


STAYS = "import signal\nprint('here')\nsignal.pause()"


def test_a_child_that_dies_is_started_again_and_says_so(heard: Heard, child_of: Callable[..., Child]) -> None:
    child = child_of(STAYS)
    heard.wait_for(lambda: heard.lines == ["part: here"])
    first = child.pid
    os.kill(first, signal.SIGKILL)
    heard.wait_for(lambda: heard.lines == ["part: here"] * 2)
    assert heard.notes == ["part was ended by SIGKILL; it is started again in 0.01 s"]
    assert child.pid != first
    assert child.failure is None


def test_a_child_that_is_asked_to_leave_stays_away(heard: Heard, child_of: Callable[..., Child]) -> None:
    child = child_of(STAYS)
    heard.wait_for(lambda: bool(heard.lines))
    child.ask_to_leave()
    child.join()
    assert not child.is_running
    assert (heard.lines, heard.notes, child.deaths) == (["part: here"], [], 0)


def test_a_crash_loop_is_given_up_with_the_last_lines(heard: Heard, child_of: Callable[..., Child]) -> None:
    child = child_of("import sys\nsys.exit('the disk is on fire')")
    heard.wait_for(lambda: len(heard.lines) == QUICK_DEATHS)
    child.join()
    assert child.failure == f"part ended with exit code 1, {QUICK_DEATHS} times in a row"
    assert "the disk is on fire" in child.last_lines
    assert len(heard.notes) == QUICK_DEATHS - 1


def test_a_child_waits_for_the_gate(heard: Heard, child_of: Callable[..., Child], lifeline: Lifeline) -> None:
    child = child_of(STAYS, at_once=False)
    other = subprocess.run([sys.executable, "-c", "print('as long as a start takes')"], check=True, capture_output=True)
    assert other.returncode == 0
    assert child.is_running
    assert heard.lines == []
    lifeline.open_gate()
    heard.wait_for(lambda: heard.lines == ["part: here"])


@pytest.mark.parametrize("deaf", [False, True], ids=["hears SIGTERM", "ignores SIGTERM"])
def test_a_child_does_not_outlive_its_starter(tmp_path: Path, *, deaf: bool) -> None:
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if deaf else ""
    (tmp_path / "a_part.py").write_text(f"import os, signal\n{ignore}print(os.getpid(), flush=True)\nwhile True: signal.pause()")
    starter = (
        "import subprocess, signal\nfrom pool_worker.cli.processes import Lifeline\n"
        "line = Lifeline()\n"
        "subprocess.Popen(line.command(['a_part'], grace_s=0.2, at_once=True), pass_fds=line.inherited, start_new_session=True)\n"
        "signal.pause()"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", starter], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    try:
        wait_until_gone({"child": pid})
    finally:
        if not is_gone(pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def test_pauses_grow_to_a_bound() -> None:
    back_off = BackOff(first_s=0.25, most_s=8)
    assert [back_off.pause_s(deaths) for deaths in (1, 2, 3, 6, 20)] == [0.25, 0.5, 1, 8, 8]


def test_a_redis_that_dies_comes_back_with_its_data(heard: Heard, tmp_path: Path) -> None:
    kept = KeptRedis(tmp_path, port=free_port(), report=heard).start()
    with connect(kept.url) as client:
        client.set("some", "thing")
        client.config_set("appendfsync", "always")
        client.set("more", "things")
    first = kept.pid
    os.kill(first, signal.SIGKILL)
    heard.wait_for(lambda: bool(heard.notes))
    with connect(kept.url) as client:
        wait_until(lambda: _answers(client))
        assert client.mget("some", "more") == ["thing", "things"]
    kept.stop()
    assert kept.failure is None
    wait_until_gone({"first": first, "last": kept.pid})


def test_only_a_leftover_of_this_home_is_stopped(tmp_path: Path) -> None:
    server = EmbeddedRedis.start(tmp_path / "one" / "redis", port=free_port())
    try:
        assert not stop_leftover(tmp_path / "other", port=server.port)
        assert server.process.poll() is None
        assert stop_leftover(tmp_path / "one", port=server.port)
        server.process.wait(WITHIN_S)
    finally:
        server.stop()
    assert not stop_leftover(tmp_path / "one", port=server.port)


def test_a_port_that_is_taken_is_refused_only_if_it_was_asked_for(redis_url: str) -> None:
    taken = int(redis_url.rpartition(":")[2].partition("/")[0])
    with pytest.raises(CommandError, match=f"port {taken} is in use"):
        choose_port(taken)
    assert choose_port(None) != taken


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
