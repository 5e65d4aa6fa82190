"""The embedded Redis of a home, kept running: started again when it dies, on the same port and the same data."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from time import monotonic
from typing import Self, cast

import redis

from pool_client.redis_connection import connect
from pool_worker.cli.processes import LONG_LIFE_S, QUICK_DEATHS, Report
from pool_worker.cli.terminal import CommandError
from pool_worker.embedded_redis import EmbeddedRedis, free_port

FOLDER = "redis"
"""In the home folder: where its data are."""
USUAL_PORT = 6379
"""Where clients look when nobody tells them."""


def choose_port(wanted: int | None) -> int:
    """The port for an embedded server: the one wanted, else the usual one, else any that is free.

    Raises:
        CommandError: if the one wanted is in use.
    """
    if wanted is None:
        return USUAL_PORT if _is_free(USUAL_PORT) else free_port()
    if not _is_free(wanted):
        msg = f"port {wanted} is in use: name another with --port, or leave it out to get a free one"
        raise CommandError(msg)
    return wanted


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class KeptRedis:
    """One embedded server; `failure` tells when keeping it running was given up."""

    def __init__(self, home: Path, *, port: int, report: Report) -> None:
        self.failure: str | None = None
        self._folder = home / FOLDER
        self._port = port
        self._report = report
        self._leaving = threading.Event()
        self._starting = threading.Lock()
        self._thread = threading.Thread(target=self._keep_running, name="keep-redis", daemon=True)

    def start(self) -> Self:
        """Start the server and wait until it has loaded its data; raises what `EmbeddedRedis.start` raises."""
        self._server = EmbeddedRedis.start(self._folder, port=self._port)
        self._thread.start()
        return self

    @property
    def url(self) -> str:
        """Where clients reach it, once it runs."""
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        return self._port

    @property
    def pid(self) -> int:
        """Process id of the life it is in, or was in last."""
        return self._server.process.pid

    def stop(self) -> None:
        """End it so that its append-only file is complete."""
        with self._starting:
            self._leaving.set()
        self._server.stop()
        self._thread.join()

    def _keep_running(self) -> None:
        quick_deaths = 0
        while True:
            began = monotonic()
            code = self._server.process.wait()
            if self._leaving.is_set():
                return
            quick_deaths = 1 if monotonic() - began >= LONG_LIFE_S else quick_deaths + 1
            if quick_deaths >= QUICK_DEATHS:
                log = self._folder / "redis.log"
                self.failure = f"redis ended {quick_deaths} times in a row (exit code {code}); its log is {log}"
                return
            self._report.note(f"redis ended (exit code {code}); it is started again with its data")
            if not self._start_again():
                return

    def _start_again(self) -> bool:
        with self._starting:
            if self._leaving.is_set():
                return False
            try:
                self._server = EmbeddedRedis.start(self._folder, port=self._port)
            except RuntimeError as error:
                self.failure = str(error)
                return False
        return True


def stop_leftover(home: Path, *, port: int) -> bool:
    """End the server of a `model-pool up` that was killed; returns whether there was one on this port with this home's data."""
    client = connect(f"redis://127.0.0.1:{port}/0")
    with client:
        try:
            answer = cast("dict[str, str]", client.config_get("dir"))
        except redis.RedisError:
            return False
        if Path(answer.get("dir", "")) != (home / FOLDER).resolve():
            return False
        client.shutdown()
    return True
