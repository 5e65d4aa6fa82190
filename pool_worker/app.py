"""The Celery app: `celery -A pool_worker.app worker` (or `beat`, or `flower`).

It is set up from the environment (`pool_worker.settings`) and `configs/` when it is imported.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from celery import Celery
from celery.concurrency import get_implementation
from celery.signals import after_setup_logger, after_setup_task_logger, beat_init, celeryd_after_setup, celeryd_init
from prometheus_client.registry import Collector

from pool_client.redis_connection import DEFAULT_URL
from pool_worker.broker.returning import bringing_back
from pool_worker.celery_settings import POOL, celery_settings
from pool_worker.config import load_registry
from pool_worker.logs import JsonLines
from pool_worker.maintenance.watchdog import keeping_watch
from pool_worker.metrics.endpoint import serve_metrics
from pool_worker.metrics.exposition import PoolCollector, WorkerCollector
from pool_worker.registry import Registry
from pool_worker.resources import Resources, open_resources
from pool_worker.settings import Settings
from pool_worker.tracing import start_tracing, stop_tracing


class PoolApp(Celery):
    """Celery, and what the tasks of a worker share while it runs."""

    resources: Resources
    """There from the first task to the last."""
    process_name = "worker"
    """Celery's name of a worker, `worker-1@host`, or `beat`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("model_pool", include=["pool_worker.tasks"], set_as_current=False)
        self.pool_settings = settings
        self.registry = self.load_registry()
        self.conf.update(celery_settings(settings, queues=self.registry.queues()))

    def load_registry(self) -> Registry:
        """The configuration as its files say now.

        Raises:
            ConfigError: naming every mistake in them.
        """
        it = self.pool_settings
        return load_registry(it.config_dir, profile=it.profile, simulator_url=it.simulator_url)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Open what the tasks share, on the worker's loop."""
        served = frozenset(self.amqp.queues.consume_from)
        opened = open_resources(self.pool_settings, self.registry, served_queues=served, worker=self.process_name)
        async with self._traced(), opened as self.resources, bringing_back(self.resources.jobs), keeping_watch(self.resources):
            self.serve_metrics(WorkerCollector(lambda: len(self.resources.under_way)))
            yield

    @asynccontextmanager
    async def _traced(self) -> AsyncIterator[None]:
        if not self.pool_settings.traces:
            yield
            return
        start_tracing(content=self.pool_settings.trace_content)
        try:
            yield
        finally:
            await asyncio.to_thread(stop_tracing)

    def serve_metrics(self, collector: Collector) -> None:
        """Let Prometheus read what the collector says, if that is asked for."""
        if (port := self.pool_settings.metrics_port) is not None:
            serve_metrics(collector, host=self.pool_settings.metrics_host, port=port)


QUIET_LOGGERS = ("httpx2", "httpcore2", "celery.worker.strategy", "celery.app.trace")
"""They write a line or two per job or call; ours say what became of it."""

app = PoolApp(Settings())


@after_setup_logger.connect(weak=False)
def _quieten(**_: object) -> None:
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


@after_setup_logger.connect(weak=False)
@after_setup_task_logger.connect(weak=False)
def _write_as_json(logger: logging.Logger, **_: object) -> None:
    if app.pool_settings.log_format == "json":
        for handler in logger.handlers:
            handler.setFormatter(JsonLines(lambda: app.process_name))


@celeryd_after_setup.connect(weak=False)
def _refuse_other_pools(instance: Any, **_: object) -> None:
    """Celery's own pools call a coroutine function without awaiting it: each job would be acknowledged and not done."""
    if instance.pool_cls is not get_implementation(POOL):
        msg = f"jobs run in {POOL} only: leave out -P / --pool"
        raise SystemExit(msg)


@celeryd_init.connect(weak=False)
def _note_name(sender: str, **_: object) -> None:
    app.process_name = sender


@beat_init.connect(weak=False)
def _begin_as_beat(**_: object) -> None:
    """Before redbeat's own receiver, in which a beat waits while another is active: this one is there to be read meanwhile."""
    app.process_name = "beat"
    app.serve_metrics(PoolCollector(app.pool_settings.redis_url or DEFAULT_URL, app.load_registry))
