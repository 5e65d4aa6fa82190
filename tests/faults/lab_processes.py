"""The processes of a lab: they can be killed, frozen and asked to leave, and they do not outlive the test."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import redis
from line_server import LineServer

from pool_client.redis_connection import connect
from pool_worker.cli.processes import Lifeline
from pool_worker.embedded_redis import EmbeddedRedis, free_port

HERE = Path(__file__).parent
LOOK_EVERY_S = 0.01
TAIL = 15


class NotInTimeError(AssertionError):
    """Something that was waited for did not come about."""


def until(condition: Callable[[], object], *, within_s: float = 30.0, what: Callable[[], str] | str = "it") -> None:
    """Wait for something that other processes bring about.

    Raises:
        NotInTimeError: with `what` was waited for.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            text = what if isinstance(what, str) else what()
            msg = f"{text} did not come about within {within_s:g} s"
            raise NotInTimeError(msg)
        time.sleep(LOOK_EVERY_S)


class Nursery:
    """Starts processes by forking one that has loaded the big libraries (`nursery.py`); they end when this process does."""

    GRACE_S = 5.0
    """How long a process may take to leave once the test's own has died."""

    def __init__(self) -> None:
        self._lifeline = Lifeline()
        self._server = LineServer(
            [sys.executable, "-W", "ignore", "-m", "nursery", str(self._lifeline.inherited[0])],
            env={**os.environ, "PYTHONPATH": python_path()},
            pass_fds=self._lifeline.inherited,
            own_session=True,
        )

    def start(self, module: Sequence[str], *, environment: Mapping[str, str], log: Path) -> int:
        """Start a Python module with its arguments in a session of its own; returns its pid."""
        request = {"module": [*module], "env": dict(environment), "log": str(log), "grace_s": self.GRACE_S}
        return int(self._server.ask(request))

    def wait(self, pid: int, within_s: float) -> int | None:
        """The exit code of a process (-9: killed), None if it has none in time."""
        code = self._server.ask({"wait": pid, "within_s": within_s})
        return None if code is None else int(code)

    def guard(self, pid: int) -> None:
        """Have a process that this one started itself killed when this one dies, however that happens."""
        self._server.ask({"ward": pid})

    def close(self) -> None:
        """End it; what it started leaves too."""
        self._server.close()
        self._lifeline.close()


def python_path() -> str:
    """Where a process finds the modules of this folder, and of the one above."""
    return os.pathsep.join(filter(None, (str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH"))))


class Process:
    """One Python module as a process in a session of its own."""

    def __init__(self, name: str, module: Sequence[str], *, environment: Mapping[str, str], log: Path, nursery: Nursery) -> None:
        self.name = name
        self.log = log
        """Where it writes."""
        self.pid = nursery.start(module, environment=environment, log=log)
        self._nursery = nursery
        self._code: int | None = None

    @property
    def is_alive(self) -> bool:
        return self._exit_code(0) is None

    @property
    def tail(self) -> str:
        """What it wrote last."""
        return f"--- {self.name}:\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:])

    def kill(self) -> None:
        """End it at once, as `kill -9` and the kernel's out-of-memory killer do."""
        self.signal(signal.SIGKILL)
        self.wait()

    def term(self) -> None:
        """Ask it to leave."""
        self.signal(signal.SIGTERM)

    def freeze(self) -> None:
        """It stands still, with all its connections open."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        if self.is_alive:
            os.kill(self.pid, number)

    def limit_files(self, count: int) -> None:
        """From now on it may have so many files and connections open."""
        _, most = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (count, most))

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 - counted often

    def wait(self, within_s: float = 30.0) -> int:
        """Wait until it has ended; returns its exit code (-9: killed).

        Raises:
            NotInTimeError: if it does not end.
        """
        code = self._exit_code(within_s)
        if code is None:
            msg = f"{self.name} did not end within {within_s:g} s\n{self.tail}"
            raise NotInTimeError(msg)
        return code

    def _exit_code(self, within_s: float) -> int | None:
        if self._code is None:
            self._code = self._nursery.wait(self.pid, within_s)
        return self._code


class LabRedis:
    """A server with an append-only file on a fixed port: it may be killed, and started again with what it had."""

    def __init__(self, home: Path, *, nursery: Nursery | None = None, append_only: bool = True) -> None:
        self.home = home
        self._nursery = nursery
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client: redis.Redis = connect(self.url)
        self._append_only = append_only
        self._server: EmbeddedRedis | None = None

    @property
    def pid(self) -> int:
        assert self._server is not None, "it has not been started"
        return self._server.process.pid

    def start(self) -> None:
        """Start it, or start it again, and wait until it has loaded its data."""
        self._server = EmbeddedRedis.start(self.home, port=self.port, append_only=self._append_only)
        if self._nursery is not None:
            self._nursery.guard(self.pid)
        self.client.connection_pool.disconnect()

    def kill(self) -> None:
        """End it at once."""
        assert self._server is not None, "it has not been started"
        self._server.process.kill()
        self._server.process.wait()
        self.client.connection_pool.disconnect()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def cut_connections(self) -> int:
        """Close every client's connection but this one's; returns how many."""
        return int(self.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")) + int(
            self.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
        )

    def close(self) -> None:
        """End it for good."""
        self.client.close()
        if self._server is not None:
            if self._server.process.poll() is None:
                self.thaw()
            self._server.process.kill()
            self._server.process.wait()
