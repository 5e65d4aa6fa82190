"""The stage of the guide: a real Redis at `MODEL_POOL_REDIS_URL`, and, for pages that ask for `workers`, someone who answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from small_worker import SmallWorker
from stand_in_worker import StandInWorker

from pool_client import (
    HealthStatus,
    Job,
    KeyHealth,
    KeyStats,
    ModelInfo,
    PoolHealth,
    PoolStats,
    ProviderHealth,
    ProviderStats,
    RateLimitError,
    Tier,
    WindowStats,
    redis_keys,
)
from pool_client.models import Catalog, render_catalog
from pool_client.stats import Snapshot, render_snapshot


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

    publish_figures(redis_client)
    publish_models(redis_client)
    with StandInWorker(redis_client).serving(answer):
        yield


def publish_figures(client: redis.Redis) -> None:
    """As beat has it done, of a provider with one key."""
    at = datetime.fromtimestamp(client.time()[0], UTC)
    window = WindowStats(
        model="*", unit="requests", per="day", used=750, limit=1000, configured=1000, resets_at=at + timedelta(days=1)
    )
    stats = ProviderStats(keys={"groq#1": KeyStats(quota_group="groq#1", calls_in_flight=0, windows=(window,))})
    well = HealthStatus.HEALTHY
    health = ProviderHealth(status=well, keys_usable=1, keys={"groq#1": KeyHealth(status=well)})
    snapshot = Snapshot(
        stats=PoolStats(taken_at=at, providers={"groq": stats}), health=PoolHealth(taken_at=at, providers={"groq": health})
    )
    client.set(redis_keys.STATS, render_snapshot(snapshot), px=redis_keys.STATS_TTL_MS)


def publish_models(client: redis.Redis) -> None:
    """As workers do when they start: here two models, of which one costs nothing."""
    free = {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0, "usd_per_request": 0}
    coding = frozenset({"coding"})
    models = (
        ModelInfo(id="groq_gpt_oss_120b", provider="groq", name="gpt-oss", tier=Tier.FREE, capabilities=coding, **free),
        ModelInfo(id="openai_mini", provider="openai", name="mini", tier=Tier.PAID, capabilities=coding, input_usd_per_mtok=1),
    )
    client.set(redis_keys.MODELS, render_catalog(Catalog(models=models)))


@pytest.fixture
def small_pool(worker: SmallWorker, monkeypatch: pytest.MonkeyPatch) -> SmallWorker:
    """A worker of the real kind with simulated providers: three free ones (groq, cerebras, mistral) and a paid one (openai)."""
    monkeypatch.setenv("MODEL_POOL_REDIS_URL", worker.redis_url)
    return worker
