"""A system that runs, with its caller and the command line of somebody at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import redis
from command_line import CommandLine
from system_fixture import PROFILE, Silent

from pool_client import Pool
from pool_client.redis_connection import connect
from pool_worker.cli.plan import make_plan
from pool_worker.cli.system import System
from pool_worker.embedded_redis import free_port
from pool_worker.settings import Settings
from pool_worker.simulator.admin_client import SimulatorAdmin


@dataclass(frozen=True)
class AtWork:
    """It is simulated; whoever looks at it runs the real command line in a folder of its own."""

    cli: CommandLine
    redis: redis.Redis
    pool: Pool
    simulator: SimulatorAdmin
    url: str
    log: list[str]
    """What its processes have written."""
    pids: tuple[int, ...]

    @classmethod
    @contextmanager
    def running(cls, cli: CommandLine, *, config_dir: Path, **plan: Any) -> Iterator[Self]:
        """Started, and stopped in the end; see `make_plan`."""
        settings = Settings(home=cli.home, config_dir=config_dir)
        report = Silent()
        system = System(make_plan(settings, simulate=PROFILE, redis_port=free_port(), **plan), report=report)
        with ExitStack() as stack:
            running = system.start()
            stack.callback(system.stop)
            yield cls(
                cli,
                stack.enter_context(connect(running.redis_url)),
                stack.enter_context(Pool(redis_url=running.redis_url)),
                stack.enter_context(SimulatorAdmin(str(running.simulator_url))),
                running.redis_url,
                report.lines,
                tuple(running.pids.values()),
            )
