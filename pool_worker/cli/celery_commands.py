"""The processes behind `model-pool worker`, `beat` and `flower`, as Python modules with their arguments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

PROCESS = "pool_worker.cli.celery_process"

FLOWER_TASKS = 10_000
"""How many tasks Flower remembers, some 6 kB each; by default ten times as many."""
FLOWER_COLUMNS = "name,args,state,result,exception,received,runtime,worker"


def worker_module(*, queues: Sequence[str], name: str, concurrency: int | None = None, log_level: str = "warning") -> list[str]:
    """One worker that serves these queues; its Celery name is `<name>@<host>`."""
    options: dict[str, Any] = {"hostname": f"{name}@%h", "queues": ",".join(queues), "loglevel": log_level.upper()}
    if concurrency is not None:
        options["concurrency"] = concurrency
    # Gossip and mingle are the usual suspects of "connected but not consuming", and nothing here needs them.
    return [PROCESS, "worker", json.dumps({**options, "without_gossip": True, "without_mingle": True})]


def beat_module(*, log_level: str = "warning") -> list[str]:
    """The scheduler."""
    return [PROCESS, "beat", json.dumps({"loglevel": log_level.upper()})]


def flower_module(*, port: int, address: str) -> list[str]:
    """Celery's monitor as a web page; it asks for no password, so that an address other than 127.0.0.1 shows it to others."""
    options = {"port": port, "address": address, "max-tasks": FLOWER_TASKS, "tasks-columns": FLOWER_COLUMNS}
    return ["celery", "-A", "pool_worker.app", "flower", *(f"--{name}={value}" for name, value in options.items())]
