"""Who works: workers, beat, and what waits for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

import redis

from pool_client.queues import MAINTENANCE_QUEUE, list_names
from pool_worker import redis_keys
from pool_worker.cli.doctor.finding import Finding, failure, ok, warning
from pool_worker.cli.terminal import as_typed
from pool_worker.registry import Registry

MANY_TICKS = 1000
"""Beat's tasks expire before the next tick, so that more than a few mean that nobody takes them."""


def check_work(client: redis.Redis, registry: Registry, *, beat_starts: bool = False) -> Iterator[Finding]:
    """Workers, beat and queues of a Redis that answers. `beat_starts`: `up` began a moment ago, and its beat is on its way."""
    served = _served_queues(client)
    yield _workers(served)
    yield _beat(client, has_workers=bool(served), starts=beat_starts)
    yield from _queues(client, registry, served=frozenset(queue for queues in served.values() for queue in queues))


def _served_queues(client: redis.Redis) -> dict[str, list[str]]:
    """Worker's name → its queues."""
    prefix = redis_keys.worker("")
    names = sorted(str(name) for name in client.scan_iter(redis_keys.worker("*"), count=1000))
    values = cast("list[str | None]", client.mget(names)) if names else []
    return {name.removeprefix(prefix): json.loads(value)["queues"] for name, value in zip(names, values, strict=True) if value}


def _workers(served: dict[str, list[str]]) -> Finding:
    if served:
        return ok("workers", ", ".join(served))
    return warning("workers", "none is running", _how_to_start())


def _how_to_start() -> str:
    return f"{as_typed('up')}, or {as_typed('worker')} and {as_typed('beat')}"


def _beat(client: redis.Redis, *, has_workers: bool, starts: bool) -> Finding:
    if client.exists(redis_keys.BEAT_LOCK):
        return ok("beat", "running")
    if starts:
        return ok("beat", "starting")
    text = "not running: the ledger is not written, and nobody is warned"
    return failure("beat", text, as_typed("beat")) if has_workers else warning("beat", "not running", _how_to_start())


def _queues(client: redis.Redis, registry: Registry, *, served: frozenset[str]) -> Iterator[Finding]:
    queues = (*registry.queues(), MAINTENANCE_QUEUE)
    waiting = {queue: _waiting(client, queue) for queue in queues}
    ticks = waiting.pop(MAINTENANCE_QUEUE)
    claimed, parked, rows = client.hlen(redis_keys.UNACKED), client.zcard(redis_keys.PARKED), client.xlen(redis_keys.OUTBOX)
    yield ok("queues", f"{sum(waiting.values())} jobs waiting, {claimed} claimed, {parked} parked, {rows} rows for the ledger")
    for queue, count in waiting.items():
        if count and served and queue not in served:
            mend = as_typed(f"worker --queues {queue}")
            yield failure("queues", f"{count} jobs wait in {queue}, which no worker serves", mend)
    if ticks > MANY_TICKS:
        mend = as_typed(f"worker --queues {MAINTENANCE_QUEUE}")
        yield failure("queues", f"{ticks} of beat's tasks wait in {MAINTENANCE_QUEUE}", mend)


def _waiting(client: redis.Redis, queue: str) -> int:
    return sum(client.llen(name) for name in list_names(queue))
