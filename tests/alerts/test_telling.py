"""An alert is told once per cause, and reaches the table."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import redis.asyncio
from sqlalchemy import Engine

from pool_worker import redis_keys
from pool_worker.alerts import resolve, tell, tell_sync
from pool_worker.ledger import reports
from pool_worker.ledger.writer import drain

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUOTA: dict[str, Any] = {
    "severity": "warning",
    "source": "quota",
    "title": "groq#1: 90% are used",
    "message": "930 of 1,000",
    "cause": "quota:groq#1:0.9",
    "now": NOON,
}


def test_a_cause_is_told_once(redis_client: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    assert tell_sync(redis_client, **QUOTA)
    assert not tell_sync(redis_client, **QUOTA | {"now": NOON + timedelta(seconds=1), "title": "again"})
    assert tell_sync(redis_client, **QUOTA | {"cause": "quota:groq#2:0.9"})
    assert redis_client.xlen(redis_keys.OUTBOX) == 2
    assert [record.getMessage() for record in caplog.records] == ["groq#1: 90% are used: 930 of 1,000"] * 2


@pytest.mark.parametrize("severity", ["info", "warning", "critical"])
def test_the_log_has_it_at_its_own_level(redis_client: redis.Redis, caplog: pytest.LogCaptureFixture, severity: str) -> None:
    caplog.set_level("INFO")
    tell_sync(redis_client, **QUOTA | {"severity": severity})
    assert [record.levelname.lower() for record in caplog.records] == [severity]


def test_a_cause_is_told_again_after_its_time(redis_client: redis.Redis) -> None:
    tell_sync(redis_client, **QUOTA, ttl_s=60)
    told = redis_keys.alert_told(QUOTA["cause"])
    assert 0 < redis_client.pttl(told) <= 60_000
    redis_client.delete(told)  # as its TTL does
    assert tell_sync(redis_client, **QUOTA | {"now": NOON + timedelta(minutes=1)})
    assert redis_client.xlen(redis_keys.OUTBOX) == 2


def test_synchronous_and_asynchronous_code_tell_the_same(redis_client: redis.Redis, redis_url: str) -> None:
    async def tell_twice() -> list[bool]:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            return list(await asyncio.gather(tell(client, **QUOTA), tell(client, **QUOTA)))

    assert sorted(asyncio.run(tell_twice())) == [False, True]
    assert not tell_sync(redis_client, **QUOTA)
    assert redis_client.xlen(redis_keys.OUTBOX) == 1


def test_an_alert_reaches_the_table(redis_client: redis.Redis, engine: Engine) -> None:
    tell_sync(redis_client, **QUOTA | {"severity": "critical", "message": "a reason from outside\0"})
    assert drain(redis_client, engine) == 1
    (alert,) = reports.list_alerts(engine)
    assert (alert.severity, alert.source, alert.cause, alert.created_at) == ("critical", "quota", "quota:groq#1:0.9", NOON)
    assert alert.message == "a reason from outside\ufffd"
    assert not alert.acknowledged


def test_what_is_over_is_told_once_and_only_if_it_had_been_told(
    redis_client: redis.Redis, redis_url: str, engine: Engine
) -> None:
    over = {name: QUOTA[name] for name in ("source", "cause")} | {"title": "groq#1: there is room again", "message": ""}

    async def resolve_at(now: datetime) -> bool:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            return await resolve(client, **over, now=now)

    assert not asyncio.run(resolve_at(NOON))
    tell_sync(redis_client, **QUOTA)
    assert asyncio.run(resolve_at(NOON + timedelta(hours=1)))
    assert not asyncio.run(resolve_at(NOON + timedelta(hours=2)))
    assert tell_sync(redis_client, **QUOTA | {"now": NOON + timedelta(hours=3)}), "a new cause for concern"
    assert drain(redis_client, engine) == 3
    again, end, first = reports.list_alerts(engine)
    assert (first.resolved_at, end.resolved_at, again.resolved_at) == (NOON + timedelta(hours=1), None, None)
    assert (end.severity, end.acknowledged) == ("info", True)
    assert reports.list_alerts(engine, open_only=True) == [again]
