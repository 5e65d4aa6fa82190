"""Figures of the whole system, once a minute: how much waits, how much is under way, who works, what was spent."""

from __future__ import annotations

from functools import partial

from pool_client.queues import list_names
from pool_worker import redis_keys
from pool_worker.budget import all_budgets
from pool_worker.ledger.metrics import Metric, book_metrics
from pool_worker.limits.usage import spent_now
from pool_worker.maintenance.clerk import Clerk
from pool_worker.resources import Resources
from pool_worker.rollout.presence import read_presences

_BOOKKEEPER = Clerk("booking the system's figures")
"""Of this process."""


async def measure_system(pool: Resources) -> int:
    """Write the figures of this moment into `system_metrics`; returns how many, 0 while the database is away."""
    metrics = await read_metrics(pool)
    return await _BOOKKEEPER.do(partial(book_metrics, pool.books.engine, metrics, at=pool.now()))


async def read_metrics(pool: Resources) -> list[Metric]:
    """Some reads of Redis; every queue's length, but no job is looked at.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    lists = [name for queue in pool.registry.queues() for name in list_names(queue)]
    async with pool.redis.pipeline(transaction=False) as pipe:
        for name in lists:
            pipe.llen(name)
        waiting = sum(await pipe.execute())
    async with pool.redis.pipeline(transaction=False) as pipe:
        pipe.zcard(redis_keys.PARKED)
        pipe.hlen(redis_keys.UNACKED)
        pipe.zcard(redis_keys.LEASES)
        pipe.zcard(redis_keys.DEAD_LETTERS)
        pipe.xlen(redis_keys.OUTBOX)
        pipe.xrange(redis_keys.OUTBOX, count=1)
        pipe.time()
        parked, claimed, calls, dead, rows, oldest, (seconds, _) = await pipe.execute()
    lag_s = max(0.0, seconds - int(oldest[0][0].partition("-")[0]) / 1000) if oldest else 0.0
    everybody, *agents = all_budgets(pool.registry)
    spent, *by_agent = await spent_now(pool.redis, (everybody, *agents))
    return [
        Metric("jobs_waiting", waiting, "jobs"),
        Metric("jobs_parked", parked, "jobs"),
        Metric("messages_claimed", claimed, "messages"),
        Metric("calls_in_flight", calls, "calls"),
        Metric("dead_letters", dead, "messages"),
        Metric("outbox_rows", rows, "rows"),
        Metric("outbox_lag", lag_s, "s"),
        Metric("workers", len(await read_presences(pool.redis)), "processes"),
        Metric(
            "spent_today",
            spent / 1e6,
            "usd",
            {budget.scope: amount / 1e6 for budget, amount in zip(agents, by_agent, strict=True)},
        ),
    ]
