"""The books: rows from the outbox into the ledger, and the daily summaries. SQL runs in a thread, never on the loop."""

from __future__ import annotations

import asyncio

from pool_worker.ledger.summaries import summarize_recent
from pool_worker.ledger.writer import drain
from pool_worker.resources import Resources

DRAIN_AT_ONCE = 1000
BATCHES_A_TICK = 20


async def write_ledger(pool: Resources) -> int:
    """Write what waits in the outbox, up to a bound; returns how many rows."""
    return await asyncio.to_thread(_drain, pool)


def _drain(pool: Resources) -> int:
    written = 0
    for _ in range(BATCHES_A_TICK):
        batch = drain(pool.books.redis, pool.books.engine, limit=DRAIN_AT_ONCE)
        written += batch
        if batch < DRAIN_AT_ONCE:
            break
    return written


async def summarise_days(pool: Resources) -> int:
    """Renew the summaries of today and yesterday; returns how many."""
    return await asyncio.to_thread(summarize_recent, pool.books.engine, now=pool.now())
