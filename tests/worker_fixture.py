"""`worker`: one worker in this process, before a real Redis and simulated providers; it works when the test says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from simulator_fixture import AT_ONCE
from small_worker import SmallWorker, fill_vault, open_small_worker, small_profile

from pool_worker.embedded_redis import EmbeddedRedis
from pool_worker.simulator.server import RunningSimulator


@pytest.fixture(scope="session")
def opened_worker(
    sqlite_ledger: Path, tmp_path_factory: pytest.TempPathFactory, redis_server: EmbeddedRedis
) -> Iterator[SmallWorker]:
    home = tmp_path_factory.mktemp("small-worker")
    shutil.copy(sqlite_ledger, home / "ledger.db")
    fill_vault(home)
    with (
        RunningSimulator(small_profile(), options=AT_ONCE) as simulator,
        open_small_worker(home, redis_url=redis_server.url, simulator=simulator) as opened,
    ):
        yield opened


@pytest.fixture
def worker(opened_worker: SmallWorker, redis_client: redis.Redis) -> SmallWorker:
    """Opened once, and as new for each test: everything that it or a test changed is put back."""
    opened_worker.reset()
    return opened_worker
