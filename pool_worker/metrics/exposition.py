"""Both kinds of figures in Prometheus's words: each collector is asked when somebody reads the page."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

import redis
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pool_client.errors import ConfigurationError
from pool_client.redis_connection import connect_async
from pool_worker.limits.clock import ClockError
from pool_worker.metrics.figures import Figures, read_figures, read_oldest_s
from pool_worker.metrics.instruments import COUNTERS, HISTOGRAMS
from pool_worker.metrics.tally import Labels
from pool_worker.registry import Registry
from pool_worker.rollout.orders import read_orders

READ_EVERY_S = 5.0
"""However often somebody asks."""
READ_WITHIN_S = 4.0
"""Prometheus waits for 10 s."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read from Redis at one moment."""

    figures: Figures
    oldest_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure that goes up and down."""

    name: str
    help: str
    labels: Labels
    read: Callable[[Seen], Mapping[Labels, float]]
    """Label values → figure."""


def _plain(name: str, help_text: str, read: Callable[[Figures], float]) -> Gauge:
    return Gauge(name, help_text, (), lambda seen: {(): read(seen.figures)})


JOBS_IN_FLIGHT = ("model_pool_jobs_in_flight", "Jobs that this worker is working on.")
REDIS_UP = ("model_pool_redis_up", "Whether Redis was read: 1, or 0; then none of the other figures of the pool is there.")

GAUGES = (
    Gauge(
        "model_pool_queue_jobs",
        "Jobs that wait in a queue to be claimed.",
        ("queue", "priority"),
        lambda seen: {
            (depth.queue, priority.value): jobs for depth in seen.figures.queues for priority, jobs in depth.waiting.items()
        },
    ),
    Gauge(
        "model_pool_queue_oldest_seconds",
        "How long ago the jobs that are next in a queue were submitted, the longest; 0: none waits.",
        ("queue",),
        lambda seen: {(queue,): seconds for queue, seconds in seen.oldest_s.items()},
    ),
    _plain("model_pool_jobs_parked", "Jobs that wait, durably, for quota or for a time.", lambda it: it.parked),
    _plain("model_pool_messages_claimed", "Messages that workers hold.", lambda it: it.claimed),
    _plain("model_pool_leases_open", "Calls in flight: leases that are not settled.", lambda it: it.calls_in_flight),
    _plain("model_pool_dead_letters", "Messages that no worker could work on.", lambda it: it.dead_letters),
    _plain("model_pool_outbox_rows", "Rows on their way to the ledger.", lambda it: it.outbox.rows),
    _plain("model_pool_outbox_lag_seconds", "How long the oldest of them has waited.", lambda it: it.outbox.lag_s),
    _plain("model_pool_workers", "Worker processes that gave a sign of life in the last half minute.", lambda it: it.workers),
    _plain("model_pool_beat_active", "Whether a beat is active: 1 or 0.", lambda it: it.beat_is_active),
    Gauge(
        "model_pool_budget_spent_usd",
        "Money spent today; scope: all, agent:x, model:y or key:z.",
        ("scope",),
        lambda seen: {(it.scope,): float(it.spent_usd) for it in seen.figures.budgets},
    ),
    Gauge(
        "model_pool_budget_limit_usd",
        "Money that may be spent today, by the same scopes.",
        ("scope",),
        lambda seen: {(it.scope,): float(it.limit_usd) for it in seen.figures.budgets},
    ),
)


class WorkerCollector(Collector):
    """What this worker has counted. `in_flight`: on how many jobs it is working."""

    def __init__(self, in_flight: Callable[[], int]) -> None:
        self._in_flight = in_flight

    def collect(self) -> Iterator[Metric]:
        """Every instrument, as it is now."""
        for counter in COUNTERS:
            sums = CounterMetricFamily(counter.name, counter.help, labels=counter.labels)
            for labels, amount in counter.read().items():
                sums.add_metric(labels, amount)
            yield sums
        for histogram in HISTOGRAMS:
            seen = HistogramMetricFamily(histogram.name, histogram.help, labels=histogram.labels)
            bounds = [*map(str, map(float, histogram.bounds)), "+Inf"]
            for labels, observed in histogram.read().items():
                seen.add_metric(labels, list(zip(bounds, observed.up_to, strict=True)), observed.total)
            yield seen
        yield GaugeMetricFamily(*JOBS_IN_FLIGHT, value=self._in_flight())


class PoolCollector(Collector):
    """The whole pool, as Redis knows it; what was read a moment ago is told again. Redis away: only that.

    Args:
        redis_url: which one.
        load: reads the configuration, whose queues and budgets are told of; again after each `models reload`.
        clock: seconds.
    """

    def __init__(self, redis_url: str, load: Callable[[], Registry], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis_url = redis_url
        self._load = load
        self._registry = load()
        self._reloads: int | None = None
        """How often one had been asked for when the configuration was read; None: that is not known."""
        self._clock = clock
        self._lock = Lock()
        self._seen: Seen | None = None
        self._read_at: float | None = None

    def collect(self) -> Iterator[Metric]:
        """Every gauge, not older than `READ_EVERY_S`."""
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at >= READ_EVERY_S:
                self._seen = self._read()
                self._read_at = self._clock()
            seen = self._seen
        yield GaugeMetricFamily(*REDIS_UP, value=seen is not None)
        if seen is None:
            return
        for gauge in GAUGES:
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
            for labels, figure in gauge.read(seen).items():
                family.add_metric(labels, figure)
            yield family

    def _read(self) -> Seen | None:
        try:
            return asyncio.run(self._ask())
        except (redis.RedisError, OSError, TimeoutError, ClockError) as error:
            if self._seen is not None or self._read_at is None:
                logger.warning("metrics have no figures of the pool while Redis is away: %s", type(error).__name__)
            return None

    def _follow(self, reloads: int) -> None:
        if self._reloads != reloads:
            with suppress(ConfigurationError):  # it has mistakes, which the workers tell: what there was stays
                self._registry = self._load()
        self._reloads = reloads

    async def _ask(self) -> Seen:
        client = connect_async(self._redis_url)
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                self._follow((await read_orders(client)).reloads)
                figures = await read_figures(client, self._registry)
                return Seen(figures, await read_oldest_s(client, figures.queues))
        finally:
            await client.aclose()
