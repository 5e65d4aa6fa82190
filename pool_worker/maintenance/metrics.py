"""Figures of the whole system, once a minute: how much waits, how much is under way, who works, what was spent."""

from __future__ import annotations

from functools import partial

from pool_worker.ledger.metrics import Metric, book_metrics
from pool_worker.maintenance.clerk import Clerk
from pool_worker.metrics.figures import Figures, read_figures
from pool_worker.resources import Resources

_BOOKKEEPER = Clerk("booking the system's figures")
"""Of this process."""


async def measure_system(pool: Resources) -> int:
    """Write the figures of this moment into `system_metrics`; returns how many, 0 while the database is away."""
    metrics = _rows(await read_figures(pool.redis, pool.registry))
    return await _BOOKKEEPER.do(partial(book_metrics, pool.books.engine, metrics, at=pool.now()))


def _rows(figures: Figures) -> list[Metric]:
    everybody, *others = figures.budgets
    return [
        Metric("jobs_waiting", sum(queue.total for queue in figures.queues), "jobs"),
        Metric("jobs_parked", figures.parked, "jobs"),
        Metric("messages_claimed", figures.claimed, "messages"),
        Metric("calls_in_flight", figures.calls_in_flight, "calls"),
        Metric("dead_letters", figures.dead_letters, "messages"),
        Metric("outbox_rows", figures.outbox.rows, "rows"),
        Metric("outbox_lag", figures.outbox.lag_s, "s"),
        Metric("workers", figures.workers, "processes"),
        Metric("spent_today", float(everybody.spent_usd), "usd", {it.scope: float(it.spent_usd) for it in others}),
    ]
