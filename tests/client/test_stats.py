"""What the workers publish of quotas and health, as callers read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import redis

from pool_client import (
    ConfigurationError,
    DayStats,
    HealthStatus,
    KeyStats,
    Pool,
    PoolHealth,
    PoolStats,
    ProviderHealth,
    ProviderStats,
    StatsUnavailableError,
    WindowStats,
    redis_keys,
)
from pool_client.stats import OLD_AFTER, Snapshot, render_snapshot
from pool_client.testing import InMemoryPool


def now_of(client: redis.Redis) -> datetime:
    return datetime.fromtimestamp(client.time()[0], UTC)


def window(used: int, limit: int, *, configured: int | None = None) -> WindowStats:
    resets_at = datetime(2026, 11, 22, tzinfo=UTC)
    return WindowStats(
        model="*", unit="requests", per="day", used=used, limit=limit, configured=configured or limit, resets_at=resets_at
    )


def stats(at: datetime) -> PoolStats:
    spent = DayStats(calls=3, successes=2, input_tokens=30, output_tokens=7, cost_usd=Decimal("0.25"))
    keys = {
        "groq#1": KeyStats(quota_group="groq#1", calls_in_flight=2, today=spent, windows=(window(15, 20),)),
        "groq#2": KeyStats(quota_group="groq#2", calls_in_flight=1, today=spent, windows=(window(21, 20, configured=30),)),
    }
    return PoolStats(taken_at=at, providers={"groq": ProviderStats(keys=keys)})


def publish(client: redis.Redis, at: datetime) -> PoolStats:
    published = stats(at)
    health = PoolHealth(
        taken_at=at, providers={"groq": ProviderHealth(status=HealthStatus.LIMITED, reason="all are used", until=at)}
    )
    client.set(redis_keys.STATS, render_snapshot(Snapshot(stats=published, health=health)))
    return published


def test_what_was_published_is_what_callers_read(pool: Pool, redis_client: redis.Redis) -> None:
    at = now_of(redis_client)
    assert publish(redis_client, at) == pool.get_all_stats()
    groq = pool.get_health_status().providers["groq"]
    assert (groq.status, groq.reason, groq.until, groq.keys_total) == (HealthStatus.LIMITED, "all are used", at, 0)


def test_shares_and_sums_are_worked_out() -> None:
    groq = stats(datetime.now(UTC)).providers["groq"]
    first, second = (groq.keys[key_id].windows[0] for key_id in ("groq#1", "groq#2"))
    assert (first.remaining, first.percentage) == (5, 75.0)
    assert (second.remaining, second.percentage) == (0, 100.0), "never below 0, never above 100"
    assert window(1, 3).percentage == 33.3
    assert window(0, 0).percentage == 100.0
    assert groq.calls_in_flight == 3
    assert groq.today == DayStats(calls=6, successes=4, input_tokens=60, output_tokens=14, cost_usd=Decimal("0.5"))
    assert ProviderStats(keys={"x": KeyStats(quota_group="x", calls_in_flight=0)}).today is None


def test_there_is_a_plain_shape_of_it() -> None:
    plain = stats(datetime.now(UTC)).model_dump(mode="json")
    assert plain == json.loads(json.dumps(plain))
    assert plain["providers"]["groq"]["keys"]["groq#1"]["windows"] == [
        {
            "model": "*",
            "unit": "requests",
            "per": "day",
            "used": 15,
            "limit": 20,
            "configured": 20,
            "resets_at": "2026-11-22T00:00:00Z",
            "remaining": 5,
            "percentage": 75.0,
        }
    ]


def test_nothing_published_is_told_with_what_to_look_at(pool: Pool) -> None:
    for ask in (pool.get_all_stats, pool.get_health_status):
        with pytest.raises(StatsUnavailableError, match=r"nobody has published .* is beat running") as caught:
            ask()
        assert caught.value.retryable


def test_old_figures_are_not_taken_for_the_present(pool: Pool, redis_client: redis.Redis) -> None:
    publish(redis_client, now_of(redis_client) - OLD_AFTER + timedelta(seconds=10))
    assert pool.get_all_stats().providers
    publish(redis_client, now_of(redis_client) - OLD_AFTER - timedelta(seconds=10))
    with pytest.raises(StatsUnavailableError, match=r"figures are 7[01] s old, .* is beat running"):
        pool.get_all_stats()


@pytest.mark.parametrize("change", [{"version": 2}, {"stats": {"taken_at": "2026-11-21T00:00:00Z", "more": 1}}])
def test_figures_of_another_release_are_not_guessed_at(pool: Pool, redis_client: redis.Redis, change: dict[str, object]) -> None:
    publish(redis_client, now_of(redis_client))
    published = json.loads(str(redis_client.get(redis_keys.STATS)))
    redis_client.set(redis_keys.STATS, json.dumps(published | change))
    with pytest.raises(ConfigurationError, match=rf"see {next(iter(change))}.*install the workers' release"):
        pool.get_all_stats()


def test_a_test_says_what_the_in_memory_pool_tells() -> None:
    pool = InMemoryPool()
    assert (pool.get_all_stats().providers, pool.get_health_status().providers) == ({}, {})
    pool.stats = stats(datetime.now(UTC))
    assert pool.get_all_stats().providers["groq"].calls_in_flight == 3
