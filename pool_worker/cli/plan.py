"""What `up` and `demo` are to run, and on which home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker.config import load_registry
from pool_worker.registry import Registry
from pool_worker.settings import Settings

ENV_FILE = Path(".env")


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One worker process."""

    name: str
    """Unique on this host; its Celery name is `<name>@<host>`."""
    queues: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that only this worker has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to run."""

    settings: Settings
    """`home` is the one to use; `redis_url` None means the embedded Redis."""
    registry: Registry
    """Its queues are served, and `maintenance`."""
    workers: int = 1
    """So many workers, each serving every queue."""
    worker_plans: tuple[WorkerPlan, ...] = ()
    """Instead of `workers`: who serves what. Together they must serve every queue."""
    redis_port: int | None = None
    """For the embedded Redis; None: 6379, or a free one if that is taken."""
    simulate: str | None = None
    """The profile that a simulator of ours is to serve."""

    def planned_workers(self) -> tuple[WorkerPlan, ...]:
        """The workers to start."""
        if self.worker_plans:
            return self.worker_plans
        every_queue = (*self.registry.queues(), MAINTENANCE_QUEUE)
        names = ["worker"] if self.workers == 1 else [f"worker-{number}" for number in range(1, self.workers + 1)]
        return tuple(WorkerPlan(name, every_queue) for name in names)


def make_plan(
    settings: Settings, *, simulate: str | None = None, workers: int = 1, redis_port: int | None = None, keep_redis: bool = False
) -> Plan:
    """The plan for what a command line asked for.

    Args:
        settings: as configured.
        simulate: a profile, to run against a simulator; then everything lies in a home of its own inside the configured one,
            with its own SQLite ledger, so that simulated and real data never mix.
        workers: number of worker processes.
        redis_port: for the embedded Redis.
        keep_redis: whether a configured Redis is also meant for a simulation.

    Raises:
        ConfigError: naming every mistake of the configuration.
    """
    if simulate is not None:
        apart = {"home": settings.home / f"simulate-{simulate}", "profile": simulate, "simulator_url": None, "database_url": None}
        if not keep_redis:
            apart["redis_url"] = None
        settings = settings.model_copy(update=apart)
    registry = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
    return Plan(settings=settings, registry=registry, workers=workers, redis_port=redis_port, simulate=simulate)
