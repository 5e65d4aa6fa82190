"""The whole system as `model-pool up --simulate` runs it: embedded Redis, SQLite, simulator, worker processes and beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine

from pool_client import Pool
from pool_client.redis_connection import connect
from pool_worker.cli.plan import make_plan
from pool_worker.cli.system import System
from pool_worker.embedded_redis import free_port
from pool_worker.ledger.database import open_database
from pool_worker.settings import Settings
from pool_worker.simulator.admin_client import SimulatorAdmin

PROFILE = "thirty-two-keys"


class Silent:
    """Keeps what the processes wrote, for a failing test's output."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, part: str, line: str) -> None:
        self.lines.append(f"{part}: {line}")

    def note(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Running:
    """The system under test."""

    system: System
    pool: Pool
    redis: redis.Redis
    simulator: SimulatorAdmin
    report: Silent

    def stop(self) -> Engine:
        """Stop it all, as Ctrl-C would, and open the ledger that it leaves behind."""
        self.system.stop()
        return open_database(self.system.settings.ledger_url)

    def counts(self) -> dict[str, Any]:
        return self.simulator.counts(every_job=True)


Start = Callable[..., Running]


@pytest.fixture
def start_system(tmp_path: Path, repository: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(*, workers: int = 1, config_dir: Path | None = None, **settings: Any) -> Running:
            given = Settings(home=tmp_path / "home", config_dir=config_dir or repository / "configs", **settings)
            report = Silent()
            plan = make_plan(given, simulate=PROFILE, workers=workers, redis_port=free_port())
            system = System(plan, report=report)
            running = system.start()
            stack.callback(system.stop)
            assert running.simulator_url is not None
            simulator = stack.enter_context(SimulatorAdmin(running.simulator_url))
            pool = stack.enter_context(Pool(agent="log_analyzer", redis_url=running.redis_url))
            client = stack.enter_context(connect(running.redis_url))
            return Running(system, pool, client, simulator, report)

        yield start
