"""`worker`: one worker in this process, before a real Redis and simulated providers; it works when the test says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulator_fixture import AT_ONCE
from small_worker import SmallWorker, fill_vault, open_small_worker, small_profile

from pool_client import Pool
from pool_worker.embedded_redis import EmbeddedRedis, free_port
from pool_worker.simulator.server import RunningSimulator


@pytest.fixture(scope="session")
def filled_home(sqlite_ledger: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a ledger, and a vault full of simulated keys."""
    home = tmp_path_factory.mktemp("small-worker")
    shutil.copy(sqlite_ledger, home / "ledger.db")
    fill_vault(home)
    return home


@pytest.fixture(scope="session")
def opened_worker(filled_home: Path) -> Iterator[SmallWorker]:
    """It has a Redis of its own, for it listens there as long as the tests last."""
    server = EmbeddedRedis.start(filled_home / "redis", port=free_port(), append_only=False)
    try:
        with (
            RunningSimulator(small_profile(), options=AT_ONCE) as simulator,
            open_small_worker(filled_home, redis_url=server.url, simulator=simulator) as opened,
        ):
            yield opened
    finally:
        server.stop()


@pytest.fixture
def worker(opened_worker: SmallWorker) -> Iterator[SmallWorker]:
    """Opened once, and as new for each test: everything that it or a test changed is put back."""
    opened_worker.reset()
    with Pool(agent="log_analyzer", redis_url=opened_worker.redis_url) as opened_worker.client:
        yield opened_worker
