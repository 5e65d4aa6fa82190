"""What the tests of this folder hold in their hands: processes, and the whole system at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from pool_client import Pool
from pool_worker import redis_keys
from pool_worker.app import PoolApp
from pool_worker.simulator.admin_client import SimulatorAdmin

HERE = Path(__file__).parent
WITHIN_S = 20.0
PASSWORD = "open-sesame-4711"  # noqa: S105 - of a Redis that ends with the tests

Start = Callable[..., "subprocess.Popen[str]"]


def until(condition: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
    """Wait until something holds that another process brings about."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@contextmanager
def python_processes() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(*module: str, **environment: str) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("MODEL_POOL_", "FLOWER_"))}
        variables = {**clean, "PYTHONPATH": str(HERE), "PYTHONWARNINGS": "ignore", **environment}
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", *module], env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.communicate()


@dataclass(frozen=True)
class Running:
    """The system under test, with a password on its Redis."""

    url: str
    worker_pid: int
    pool: Pool
    redis: redis.Redis
    simulator: SimulatorAdmin
    app: PoolApp
    environment: dict[str, str]

    def at_rest(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self.redis.exists("free", redis_keys.UNACKED)


@contextmanager
def held_up(pid: int) -> Iterator[None]:
    """Let a process stand still for a moment."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
