"""The Celery commands behind `model-pool worker`, `beat` and `flower`, as Python modules with their arguments."""

from __future__ import annotations

from collections.abc import Sequence

APP = ("celery", "--quiet", "-A", "pool_worker.app")


def worker_module(*, queues: Sequence[str], name: str, concurrency: int | None = None, log_level: str = "warning") -> list[str]:
    """One worker that serves these queues; its Celery name is `<name>@<host>`."""
    options = ["--queues", ",".join(queues), "--hostname", f"{name}@%h", "--loglevel", log_level]
    if concurrency is not None:
        options += ["--concurrency", str(concurrency)]
    # Gossip and mingle are the usual suspects of "connected but not consuming", and nothing here needs them.
    return [*APP, "worker", *options, "--without-gossip", "--without-mingle"]


def beat_module(*, log_level: str = "warning") -> list[str]:
    """The scheduler."""
    return [*APP, "beat", "--loglevel", log_level]


def flower_module(*, port: int, address: str) -> list[str]:
    """Celery's monitor as a web page; it asks for no password, so that an address other than 127.0.0.1 shows it to others."""
    return [*APP, "flower", f"--port={port}", f"--address={address}"]
