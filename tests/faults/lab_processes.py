"""The processes of a lab: they can be killed, frozen and asked to leave, and they do not outlive the test."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import redis

from pool_client.redis_connection import connect
from pool_worker.cli.processes import Lifeline
from pool_worker.embedded_redis import EmbeddedRedis, free_port

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


class Process:
    """One Python module as a process in a session of its own; when the test's own process dies, it ends too."""

    def __init__(
        self, name: str, module: Sequence[str], *, environment: Mapping[str, str], log: Path, lifeline: Lifeline
    ) -> None:
        self.name = name
        self.log = log
        """Where it writes."""
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                lifeline.command(module, grace_s=5, at_once=True),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                pass_fds=lifeline.inherited,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def tail(self) -> str:
        """What it wrote last."""
        return f"--- {self.name}:\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:])

    def kill(self) -> None:
        """End it at once, as `kill -9` and the kernel's out-of-memory killer do."""
        self.signal(signal.SIGKILL)
        self._process.wait()

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
        self._process.send_signal(number)

    def limit_files(self, count: int) -> None:
        """From now on it may have so many files and connections open."""
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (count, count))

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 - counted often

    def wait(self, within_s: float = 30.0) -> int:
        """Wait until it has ended; returns its exit code (-9: killed).

        Raises:
            NotInTimeError: if it does not end.
        """
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            msg = f"{self.name} did not end within {within_s:g} s\n{self.tail}"
            raise NotInTimeError(msg) from None


class LabRedis:
    """A server with an append-only file on a fixed port: it may be killed, and started again with what it had."""

    def __init__(self, home: Path, *, append_only: bool = True) -> None:
        self.home = home
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
