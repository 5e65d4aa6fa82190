"""What beat tells of the whole pool."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from scraping import collected
from small_worker import SmallWorker

from pool_client import Pool
from pool_client import redis_keys as shared_keys
from pool_client.errors import ConfigurationError
from pool_worker import redis_keys
from pool_worker.config import load_registry
from pool_worker.embedded_redis import EmbeddedRedis, free_port
from pool_worker.metrics.exposition import GAUGES, READ_EVERY_S, PoolCollector
from pool_worker.registry import Budget, Registry


@pytest.fixture
def registry(repository: Path) -> Registry:
    return load_registry(repository / "configs")


def test_what_waits_and_for_how_long(redis_client: redis.Redis, redis_url: str, registry: Registry) -> None:
    with Pool(redis_url=redis_url) as pool:
        oldest = pool.submit("first")
        pool.submit("second")
        pool.submit("urgent", priority="critical")
    redis_client.hincrby(shared_keys.job(oldest.id), "submitted_ms", -90_000)
    page = collected(PoolCollector(redis_url, lambda: registry))
    assert page.value("model_pool_redis_up") == 1
    assert page.value("model_pool_queue_jobs", queue="free", priority="normal") == 2
    assert page.value("model_pool_queue_jobs", queue="free", priority="critical") == 1
    assert page.value("model_pool_queue_jobs") == 3
    assert page.label_values("queue") == set(registry.queues())
    assert 90 <= page.value("model_pool_queue_oldest_seconds", queue="free") < 150
    assert page.value("model_pool_queue_oldest_seconds", queue="paid") == 0
    assert page.value("model_pool_budget_limit_usd", scope="all") == registry.budget.daily_usd
    assert page.value("model_pool_budget_spent_usd") == 0


def test_what_is_no_message_is_counted_all_the_same(redis_client: redis.Redis, redis_url: str, registry: Registry) -> None:
    redis_client.lpush("free", b"\xff\x00 no message", json.dumps({"headers": {}}))
    page = collected(PoolCollector(redis_url, lambda: registry))
    assert page.value("model_pool_queue_jobs", queue="free") == 2
    assert page.value("model_pool_queue_oldest_seconds", queue="free") == 0


def test_what_workers_have_in_hand(worker: SmallWorker) -> None:
    worker.submit(tier="paid", max_tokens=30)
    worker.complete()
    worker.submit(max_tokens=30)
    worker.claim()
    page = collected(PoolCollector(worker.redis_url, lambda: worker.pool.registry))
    assert page.value("model_pool_messages_claimed") == 1
    assert page.value("model_pool_outbox_rows") == worker.redis.xlen(redis_keys.OUTBOX) > 0
    assert page.value("model_pool_budget_spent_usd", scope="all") == pytest.approx(float(worker.bill_usd()))
    assert page.value("model_pool_beat_active") == 0


def test_redis_is_not_asked_again_at_once(redis_client: redis.Redis, redis_url: str, registry: Registry) -> None:
    now_s = [0.0]
    collector = PoolCollector(redis_url, lambda: registry, clock=lambda: now_s[0])
    assert collected(collector).value("model_pool_queue_jobs") == 0
    with Pool(redis_url=redis_url) as pool:
        pool.submit("?")
    now_s[0] = READ_EVERY_S - 0.1
    assert collected(collector).value("model_pool_queue_jobs") == 0
    now_s[0] = READ_EVERY_S
    assert collected(collector).value("model_pool_queue_jobs") == 1


def test_redis_is_away_and_comes_back(tmp_path: Path, registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    now_s, port = [0.0], free_port()
    collector = PoolCollector(f"redis://127.0.0.1:{port}/0", lambda: registry, clock=lambda: now_s[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            page = collected(collector)
            now_s[0] += READ_EVERY_S
            assert page.value("model_pool_redis_up") == 0
            assert page.names() == {"model_pool_redis_up"}, "nobody takes an old figure for one of now"
    assert caplog.text.count("while Redis is away") == 1
    server = EmbeddedRedis.start(tmp_path, port=port, append_only=False)
    try:
        assert collected(collector).names() == {"model_pool_redis_up", *(gauge.name for gauge in GAUGES)}
    finally:
        server.stop()


def test_a_reload_reaches_it(redis_client: redis.Redis, redis_url: str, registry: Registry) -> None:
    now_s, files = [0.0], [registry, registry]

    def load() -> Registry:
        if files:
            return files.pop(0)
        msg = "it has mistakes"
        raise ConfigurationError(msg)

    def limit_usd() -> float:
        now_s[0] += READ_EVERY_S
        return collected(collector).value("model_pool_budget_limit_usd", scope="all")

    collector = PoolCollector(redis_url, load, clock=lambda: now_s[0])
    files.append(replace(registry, budget=Budget(daily_usd=Decimal(77))))
    assert limit_usd() == registry.budget.daily_usd
    redis_client.incr(redis_keys.RELOADS)
    assert limit_usd() == 77
    redis_client.incr(redis_keys.RELOADS)
    assert limit_usd() == 77, "what has mistakes is not taken"
