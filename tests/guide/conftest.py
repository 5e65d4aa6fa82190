"""The stage of the guide: a real Redis at `MODEL_POOL_REDIS_URL`, and, for pages that ask for `workers`, someone who answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from small_worker import SmallWorker
from stand_in_worker import StandInWorker

from pool_client import Job, RateLimitError


@pytest.fixture(autouse=True)
def redis_of_the_guide(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an operator does once: `export MODEL_POOL_REDIS_URL=redis://…`."""
    monkeypatch.setenv("MODEL_POOL_REDIS_URL", redis_url)


@pytest.fixture
def workers(redis_client: redis.Redis) -> Iterator[None]:
    """Workers whose model repeats what it hears, and whose quota is spent for whoever says so."""

    def answer(job: Job) -> str:
        heard = str(job.messages[-1].content)
        if heard == "spent":
            raise RateLimitError
        return f"You said: {heard}"

    with StandInWorker(redis_client).serving(answer):
        yield


@pytest.fixture
def small_pool(worker: SmallWorker, monkeypatch: pytest.MonkeyPatch) -> SmallWorker:
    """A worker of the real kind with simulated providers: three free ones (groq, cerebras, mistral) and a paid one (openai)."""
    monkeypatch.setenv("MODEL_POOL_REDIS_URL", worker.redis_url)
    return worker
