"""What the small Celery apps of these tests have in common: our transport and pool, and one queue."""

from __future__ import annotations

from typing import Any

from kombu import Exchange, Queue

from pool_worker.celery_settings import broker_settings


def one_queue(url: str, **transport_options: Any) -> dict[str, Any]:
    """Celery's settings. A message's lease lasts one second."""
    return {
        **broker_settings(url),
        "broker_transport_options": {"visibility_timeout": 1, **transport_options},
        "worker_pool": "pool_worker.broker.asyncio_pool:TaskPool",
        "worker_prefetch_multiplier": 1,
        "task_acks_late": True,
        "task_ignore_result": True,
        "task_queues": [Queue("free", Exchange(""), routing_key="free")],
        "task_default_queue": "free",
        "task_default_exchange": "",
        "task_default_routing_key": "free",
    }
