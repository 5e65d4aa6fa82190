"""What each worker that runs says of itself, for `status`, `doctor`, `up` and `models reload`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast

import redis.asyncio

from pool_worker import redis_keys
from pool_worker.lua import run_script
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
    value = _value(presence)
    await asyncio.gather(
        client.set(redis_keys.worker(presence.name), value, px=redis_keys.WORKER_TTL_MS),
        client.hset(redis_keys.WORKERS, presence.name, value),
    )


async def say_goodbye(client: redis.asyncio.Redis, presence: Presence) -> None:
    """This worker leaves in order, so nobody is to miss it; nothing if another has taken its name meanwhile.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    names = [redis_keys.worker(presence.name), redis_keys.WORKERS]
    await run_script(client, __package__, "leave", keys=names, arguments=[presence.name, presence.since.isoformat()])


async def read_roll(client: redis.asyncio.Redis) -> tuple[tuple[Presence, ...], tuple[Presence, ...]]:
    """The workers that have come and not left in order: those that are there, and those that are not. Two commands.

    Raises:
        redis.RedisError: if Redis cannot be reached.
    """
    roll = sorted(cast("dict[str, str]", await client.hgetall(redis_keys.WORKERS)).items())
    values = await read_many(client, [redis_keys.worker(name) for name, _ in roll])
    present = tuple(_parse(name, value) for (name, _), value in zip(roll, values, strict=True) if value)
    return present, tuple(_parse(name, last) for (name, last), value in zip(roll, values, strict=True) if not value)


async def strike_off(client: redis.asyncio.Redis, name: str) -> None:
    """Nobody waits for this worker any more. Raises as `read_roll` does."""
    await client.hdel(redis_keys.WORKERS, name)


async def read_presences(client: redis.asyncio.Redis) -> tuple[Presence, ...]:
    """The workers that run, by name. Those of an earlier release say less.

    Raises:
        redis.RedisError: if Redis cannot be reached.
    """
    pattern, prefix = redis_keys.worker("*"), redis_keys.worker("")
    names = sorted([str(name) async for name in client.scan_iter(pattern, count=SCAN_STEP)])
    values = await read_many(client, names)
    return tuple(_parse(name.removeprefix(prefix), value) for name, value in zip(names, values, strict=True) if value)


def _value(presence: Presence) -> str:
    facts = asdict(presence) | {"since": presence.since.isoformat()}
    del facts["name"]
    return json.dumps(facts)


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
