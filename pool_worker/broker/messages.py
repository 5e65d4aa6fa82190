"""What can be done to claimed messages, one typed function per script. Blocking: for the hub's thread and the keeper's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from pool_worker import redis_keys
from pool_worker.lua import run_script_blocking

SWEEP_AT_MOST = 500


def acknowledge(client: redis.Redis, tag: str, *, task_id: str) -> bool:
    """The message's work is done: forget it. Returns whether it was still ours."""
    return bool(_run(client, "ack", redis_keys.MESSAGE_KEYS, tag, task_id))


def give_back(client: redis.Redis, tag: str, *, task_id: str) -> bool:
    """Put the message back at the head of its list, as if it had never been claimed. Returns whether it was still ours."""
    return bool(_run(client, "requeue", redis_keys.MESSAGE_KEYS, tag, task_id))


def renew(client: redis.Redis, tags: Sequence[str], *, lease_ms: int, now_ms: int | None = None) -> list[str]:
    """Prolong the leases of messages that are still being worked on; returns the tags whose messages are no longer ours."""
    lost: list[str] = _run(client, "renew", redis_keys.MESSAGE_KEYS[:2], lease_ms, _time(now_ms), *tags)
    return lost


def sweep(client: redis.Redis, *, lease_ms: int, now_ms: int | None = None) -> int:
    """Give the messages of dead workers back; returns how many.

    After a time without sweeps (Redis was away or held up, or no worker was there) nobody is taken for dead at first: whoever is
    alive gets the time to renew.
    """
    keys = (*redis_keys.MESSAGE_KEYS[:2], redis_keys.SWEPT_AT)
    return int(_run(client, "sweep", keys, SWEEP_AT_MOST, lease_ms, _time(now_ms)))


def _time(now_ms: int | None) -> str:
    return "" if now_ms is None else str(now_ms)


def _run(client: redis.Redis, name: str, keys: Sequence[str], *arguments: str | int) -> Any:
    return run_script_blocking(client, __package__, name, keys=keys, arguments=arguments)
