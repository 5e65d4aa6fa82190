"""The project's own Celery app at work: its worker, beat and Flower are real processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from at_work import PASSWORD, Running, Start, python_processes
from system_fixture import PROFILE, Silent

from pool_client import Pool
from pool_client.redis_connection import connect
from pool_worker.app import PoolApp
from pool_worker.cli.environment import environment_of
from pool_worker.cli.plan import make_plan
from pool_worker.cli.system import System
from pool_worker.embedded_redis import EmbeddedRedis, free_port
from pool_worker.settings import Settings
from pool_worker.simulator.admin_client import SimulatorAdmin


@pytest.fixture
def start_python() -> Iterator[Start]:
    """Starts `python -m MODULE …`; what a test leaves running is killed."""
    with python_processes() as start:
        yield start


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One system for all tests that ask."""
    with ExitStack() as stack:
        server = EmbeddedRedis.start(tmp_path_factory.mktemp("locked"), port=free_port(), append_only=False)
        stack.callback(server.stop)
        with connect(server.url) as client:
            client.config_set("requirepass", PASSWORD)
        url = server.url.replace("://", f"://:{PASSWORD}@")
        given = Settings(
            home=tmp_path_factory.mktemp("home"), config_dir=Path(__file__).parents[2] / "configs", redis_url=url, drain_s=5
        )
        system = System(make_plan(given, simulate=PROFILE, keep_redis=True), report=Silent())
        described = system.start()
        stack.callback(system.stop)
        yield Running(
            url=url,
            worker_pid=described.pids["worker"],
            pool=stack.enter_context(Pool(agent="log_analyzer", redis_url=url)),
            redis=stack.enter_context(connect(url)),
            simulator=stack.enter_context(SimulatorAdmin(str(described.simulator_url))),
            app=PoolApp(system.settings),
            environment=environment_of(system.settings),
        )
