"""The books: rows from the outbox into the ledger, and the daily summaries. SQL runs in a thread, never on the loop."""

from __future__ import annotations

from functools import partial

from pool_worker.ledger.summaries import summarize_recent
from pool_worker.ledger.writer import drain
from pool_worker.maintenance.clerk import Clerk
from pool_worker.maintenance.figures import sum_up_today
from pool_worker.resources import Resources

DRAIN_AT_ONCE = 1000
BATCHES_A_TICK = 20
_WRITER = Clerk("writing the ledger")
_SUMMARIST = Clerk("summing up the days")
"""Of this process."""


async def write_ledger(pool: Resources) -> int:
    """Write what waits in the outbox, up to a bound; returns how many rows. While the database is away they wait there."""
    return await _WRITER.do(partial(_drain, pool))


def _drain(pool: Resources) -> int:
    written = 0
    for _ in range(BATCHES_A_TICK):
        batch = drain(pool.books.redis, pool.books.engine, limit=DRAIN_AT_ONCE)
        written += batch
        if batch < DRAIN_AT_ONCE:
            break
    return written


async def summarise_days(pool: Resources) -> int:
    """Renew the summaries of today and yesterday, and what is published of today; returns how many summaries."""
    return await _SUMMARIST.do(partial(_summarise, pool))


def _summarise(pool: Resources) -> int:
    now = pool.now()
    summaries = summarize_recent(pool.books.engine, now=now)
    sum_up_today(pool.books.engine, pool.books.redis, now=now)
    return summaries
