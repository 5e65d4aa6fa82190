from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from stand_in_worker import StandInWorker

from pool_client import Pool
from pool_worker.embedded_redis import EmbeddedRedis, free_port


@pytest.fixture
def pool(redis_url: str) -> Iterator[Pool]:
    with Pool(agent="log_analyzer", redis_url=redis_url) as pool:
        yield pool


@pytest.fixture
def worker(redis_client: redis.Redis) -> StandInWorker:
    return StandInWorker(redis_client)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis that the test may stop, fill or lock; what it holds survives a restart."""
    server = EmbeddedRedis.start(tmp_path / "own", port=free_port())
    yield server
    server.stop()
