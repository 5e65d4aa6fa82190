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
from pool_worker.alerts import tell, tell_sync
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
    assert [record.getMessage() for record in caplog.records] == ["warning: groq#1: 90% are used: 930 of 1,000"] * 2


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
