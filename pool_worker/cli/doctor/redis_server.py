"""Redis: reachable, new enough, durable, never evicting, and of the same opinion about the time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

import redis

from pool_client.redis_connection import describe, shown
from pool_worker.cli.doctor.finding import Finding, failure, ok, warning

OLDEST_MAJOR = 7
DRIFT_WARNING_S = 2.0
DRIFT_FAILURE_S = 60.0


def check_redis(client: redis.Redis, url: str) -> Iterator[Finding]:
    """Everything about the server; one finding if it cannot be reached."""
    try:
        facts = cast("Mapping[str, Any]", client.info())
        before = time.time()
        seconds, micros = client.time()
        here = (before + time.time()) / 2
    except (redis.RedisError, OSError) as error:
        yield failure("redis", describe(error, url), "start it, or correct MODEL_POOL_REDIS_URL or --redis")
        return
    yield _version(facts, url)
    yield _durability(facts)
    yield _eviction(facts)
    yield _clock(seconds + micros / 1e6 - here)


def _version(facts: Mapping[str, Any], url: str) -> Finding:
    version = str(facts.get("redis_version", "?"))
    name = f"Valkey {facts['valkey_version']}" if "valkey_version" in facts else f"Redis {version}"
    text = f"{shown(url)}: {name}"
    if version.partition(".")[0].isdigit() and int(version.partition(".")[0]) >= OLDEST_MAJOR:
        return ok("redis", text)
    return failure("redis", f"{text} is too old", f"install Redis {OLDEST_MAJOR} or newer, or any Valkey")


def _durability(facts: Mapping[str, Any]) -> Finding:
    if facts.get("aof_enabled") != 1:
        mend = "CONFIG SET appendonly yes, and in redis.conf"
        return failure("redis aof", "the append-only file is off: a restart would lose jobs", mend)
    if facts.get("aof_last_write_status", "ok") != "ok":
        return failure("redis aof", "the append-only file cannot be written", "look at Redis's log: is its disk full?")
    return ok("redis aof", "on")


def _eviction(facts: Mapping[str, Any]) -> Finding:
    policy = facts.get("maxmemory_policy")
    if policy != "noeviction":
        mend = "CONFIG SET maxmemory-policy noeviction, and in redis.conf"
        return failure("redis eviction", f"maxmemory-policy is {policy}: a full Redis would throw away whole queues", mend)
    return ok("redis eviction", "noeviction")


def _clock(ahead_s: float) -> Finding:
    text = f"Redis's clock is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's"
    if abs(ahead_s) >= DRIFT_FAILURE_S:
        return failure("clock", text, "set both by NTP: deadlines would be missed or kept by mistake")
    if abs(ahead_s) >= DRIFT_WARNING_S:
        return warning("clock", text, "set both by NTP")
    return ok("clock", f"this machine and Redis differ by {abs(ahead_s) * 1000:.0f} ms")
