"""Figures of the whole pool at one moment, read from Redis: how much waits and is under way, who works, what was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.client import NEVER_DECODE

from pool_client import redis_keys as shared_keys
from pool_client.queues import CELERY_PRIORITY, list_name
from pool_worker import redis_keys
from pool_worker.broker.reading import readable_names
from pool_worker.limits.clock import redis_now_ms
from pool_worker.overview.budgets import BudgetUse, read_budgets
from pool_worker.overview.outbox import OutboxDepth, read_outbox
from pool_worker.overview.queues import QueueDepth, read_queues
from pool_worker.registry import Registry
from pool_worker.rollout.presence import read_presences


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything."""

    queues: tuple[QueueDepth, ...]
    parked: int
    claimed: int
    """Messages that workers hold, beat's among them."""
    calls_in_flight: int
    """Leases that are not settled."""
    dead_letters: int
    outbox: OutboxDepth
    workers: int
    beat_is_active: bool
    budgets: tuple[BudgetUse, ...]
    """Everybody's first."""


async def read_figures(client: Redis, registry: Registry) -> Figures:
    """Some reads; every queue's length, but no job is looked at.

    Raises:
        redis.RedisError: if Redis does not answer.
        ClockError: if its clock jumps meanwhile.
    """
    queues = await read_queues(client, registry.queues())
    async with client.pipeline(transaction=False) as pipe:
        pipe.zcard(redis_keys.PARKED)
        pipe.hlen(redis_keys.UNACKED)
        pipe.zcard(redis_keys.LEASES)
        pipe.zcard(redis_keys.DEAD_LETTERS)
        pipe.exists(redis_keys.BEAT_LOCK)
        parked, claimed, calls, dead, beat = await pipe.execute()
    return Figures(
        queues=queues,
        parked=parked,
        claimed=claimed,
        calls_in_flight=calls,
        dead_letters=dead,
        outbox=await read_outbox(client),
        workers=len(await read_presences(client)),
        beat_is_active=bool(beat),
        budgets=await read_budgets(client, registry),
    )


async def read_oldest_s(client: Redis, queues: Sequence[QueueDepth]) -> Mapping[str, float]:
    """Queue → for how long a job has waited that is next in one of its lists, the longest; 0: none waits.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    filled = [
        (depth.queue, list_name(depth.queue, CELERY_PRIORITY[priority]))
        for depth in queues
        for priority, jobs in depth.waiting.items()
        if jobs
    ]
    async with client.pipeline(transaction=False) as pipe:
        for _, name in filled:
            pipe.execute_command("LINDEX", name, -1, **{NEVER_DECODE: True})  # it may be anything
        messages: list[bytes | None] = await pipe.execute()
    async with client.pipeline(transaction=False) as pipe:
        for message in messages:
            pipe.hget(shared_keys.job(readable_names(message or b"").job_id), "submitted_ms")
        submitted: list[str | None] = await pipe.execute()
    now_ms = await redis_now_ms(client)
    oldest = dict.fromkeys((depth.queue for depth in queues), 0.0)
    for (queue, _), at_ms in zip(filled, submitted, strict=True):
        if at_ms is not None:
            oldest[queue] = max(oldest[queue], (now_ms - int(at_ms)) / 1000)
    return oldest
