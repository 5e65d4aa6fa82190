"""What each worker that runs says of itself, for `status`, `doctor`, `up` and `models reload`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

import redis.asyncio

from pool_worker import redis_keys
from pool_worker.many_reads import read_many

SCAN_STEP = 5000


@dataclass(frozen=True, slots=True)
class Presence:
    """One worker."""

    name: str
    """Its Celery name, `worker-1@host`."""
    pid: int
    queues: tuple[str, ...]
    since: datetime
    reloads: int = 0
    """What `redis_keys.RELOADS` was when it last read its configuration files because it was told to."""
    trouble: str = ""
    """The mistakes that it found in them then, a line each, and for which it keeps what it had."""
    key_changes: int = 0
    """What `redis_keys.KEY_CHANGES` was when it last read its keys."""
    master_keys: tuple[str, ...] = ()
    """The ids of the vault's master keys that it has, the newest first."""
    keys_trouble: str = ""
    """Why it has not read its keys since they changed."""


async def say_alive(client: redis.asyncio.Redis, presence: Presence) -> None:
    """To be repeated before `redis_keys.WORKER_TTL_MS` is over.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    facts = asdict(presence) | {"since": presence.since.isoformat()}
    name = redis_keys.worker(facts.pop("name"))
    await client.set(name, json.dumps(facts), px=redis_keys.WORKER_TTL_MS)


async def read_presences(client: redis.asyncio.Redis) -> tuple[Presence, ...]:
    """The workers that run, by name. Those of an earlier release say less.

    Raises:
        redis.RedisError: if Redis cannot be reached.
    """
    pattern, prefix = redis_keys.worker("*"), redis_keys.worker("")
    names = sorted([str(name) async for name in client.scan_iter(pattern, count=SCAN_STEP)])
    values = await read_many(client, names)
    return tuple(_parse(name.removeprefix(prefix), value) for name, value in zip(names, values, strict=True) if value)


def _parse(name: str, value: str) -> Presence:
    facts = json.loads(value)
    return Presence(
        name=name,
        pid=facts["pid"],
        queues=tuple(facts["queues"]),
        since=datetime.fromisoformat(facts["since"]),
        reloads=facts.get("reloads", 0),
        trouble=facts.get("trouble", ""),
        key_changes=facts.get("key_changes", 0),
        master_keys=tuple(facts.get("master_keys", ())),
        keys_trouble=facts.get("keys_trouble", ""),
    )
