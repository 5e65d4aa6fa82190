"""The whole pool as real processes on a Redis that a test has started; see `redis_servers`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from system_fixture import PROFILE, Silent

from pool_client import Pool
from pool_client.redis_connection import connect
from pool_worker.app import PoolApp
from pool_worker.cli.environment import environment_of
from pool_worker.cli.plan import make_plan
from pool_worker.cli.system import System
from pool_worker.settings import Settings

WITHIN_S = 60.0


@dataclass
class Running:
    """The system under test."""

    pool: Pool
    app: PoolApp
    redis: redis.Redis
    report: Silent
    pids: list[int]
    environment: dict[str, str]

    def shown(self) -> dict[str, str]:
        """What it shows of itself to those who look, other than in its environment."""
        inspect = self.app.control.inspect(timeout=5, limit=1)
        answers = [inspect.conf(with_defaults=True), inspect.stats(), inspect.report()]
        return {
            "Celery": json.dumps(answers, default=str),
            "processes": " ".join(Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8") for pid in self.pids),
            "log": "\n".join(self.report.lines),
            "settings": repr(self.app.pool_settings) + repr(self.pool),
        }


@contextmanager
def whole_system(url: str, home: Path, repository: Path) -> Iterator[Running]:
    with ExitStack() as stack:
        given = Settings(home=home, config_dir=repository / "configs", redis_url=url, drain_s=5)
        report = Silent()
        system = System(make_plan(given, simulate=PROFILE, keep_redis=True), report=report)
        pids = list(system.start().pids.values())
        stack.callback(system.stop)
        pool = stack.enter_context(Pool(agent="log_analyzer", redis_url=url))
        client = stack.enter_context(connect(url))
        yield Running(pool, PoolApp(system.settings), client, report, pids, environment_of(system.settings))


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds that another process brings about."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
