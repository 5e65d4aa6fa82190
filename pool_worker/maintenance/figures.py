"""Publishing the pool's figures, for `Pool.get_all_stats` and `Pool.get_health_status`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime

import redis
from pydantic import BaseModel
from redis.asyncio import Redis
from sqlalchemy import Engine

from pool_client import redis_keys as shared_keys
from pool_client.stats import (
    DayStats,
    HealthStatus,
    KeyHealth,
    KeyStats,
    PoolHealth,
    PoolStats,
    ProviderHealth,
    ProviderStats,
    Snapshot,
    WindowStats,
    render_snapshot,
)
from pool_worker import redis_keys
from pool_worker.ledger.totals import totals_by_key
from pool_worker.limits.holds import key_scope, provider_scope
from pool_worker.overview.reading import Overview, read_overview
from pool_worker.overview.standing import KeyStanding, Obstacle, ProviderStanding
from pool_worker.resources import Resources


class _Today(BaseModel):
    """What was called in a UTC day, by key."""

    day: date
    keys: dict[str, DayStats]


async def publish_stats(pool: Resources) -> int:
    """Publish what is known of every provider and key now; returns of how many keys.

    For 3,200 keys with four windows each these are 2 MB, written in a thread: it takes a quarter of a second.
    """
    overview = await read_overview(pool.redis, pool.registry)
    text = await asyncio.to_thread(_render, overview, await _read_today(pool.redis, overview.at))
    await pool.redis.set(shared_keys.STATS, text, px=shared_keys.STATS_TTL_MS)
    return sum(len(provider.keys) for provider in overview.providers)


def sum_up_today(engine: Engine, client: redis.Redis, *, now: datetime) -> None:
    """Put aside what the ledger says of this UTC day, by key; blocking, for a thread."""
    day = now.astimezone(UTC).date()
    today = _Today(day=day, keys=totals_by_key(engine, day))
    client.set(redis_keys.TODAY, today.model_dump_json(), px=redis_keys.TODAY_TTL_MS)


async def _read_today(client: Redis, at: datetime) -> Mapping[str, DayStats] | None:
    """None if the ledger has not told lately."""
    text = await client.get(redis_keys.TODAY)
    if text is None:
        return None
    today = _Today.model_validate_json(text)
    return today.keys if today.day == at.date() else {}


def _render(overview: Overview, today: Mapping[str, DayStats] | None) -> str:
    return render_snapshot(Snapshot(stats=_stats(overview, today), health=_health(overview)))


def _stats(overview: Overview, today: Mapping[str, DayStats] | None) -> PoolStats:
    providers = {
        it.provider: ProviderStats(keys={key.use.key_id: _key_stats(key, today) for key in it.keys})
        for it in overview.providers
        if it.disabled is None
    }
    return PoolStats(taken_at=overview.at, providers=providers)


def _key_stats(key: KeyStanding, today: Mapping[str, DayStats] | None) -> KeyStats:
    use = key.use
    return KeyStats(
        quota_group=use.quota_group,
        calls_in_flight=use.calls_in_flight,
        today=None if today is None else today.get(use.key_id, DayStats()),
        windows=tuple(
            WindowStats(
                model=window.model,
                unit=window.unit,
                per=window.per,
                used=window.used,
                limit=window.limit,
                configured=window.configured,
                resets_at=window.resets_at,
            )
            for window in use.windows
        ),
    )


def _health(overview: Overview) -> PoolHealth:
    return PoolHealth(taken_at=overview.at, providers={it.provider: _provider_health(it, overview) for it in overview.providers})


def _provider_health(it: ProviderStanding, overview: Overview) -> ProviderHealth:
    keys = {
        key.use.key_id: KeyHealth.model_validate(_facts(key.obstacle, overview.score(key_scope(key.use.key_id))))
        for key in it.keys
    }
    usable = sum(key.status is HealthStatus.HEALTHY for key in keys.values())
    facts = _facts(it.obstacle, overview.score(provider_scope(it.provider)))
    return ProviderHealth.model_validate({**facts, "keys": keys, "keys_usable": usable})


def _facts(obstacle: Obstacle | None, score: int) -> dict[str, object]:
    if obstacle is None:
        return {"status": HealthStatus.HEALTHY, "score": score}
    return {"status": obstacle.status, "reason": obstacle.reason, "until": obstacle.until, "score": score}
