"""How Celery is set up, and why: each value stands against a default that loses jobs, stalls or surprises (docs/decisions.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kombu import Connection, Exchange, Queue

from beat_schedule import BEAT_SCHEDULE
from pool_client.queues import CELERY_PRIORITY, MAINTENANCE_QUEUE, TASK_NAME
from pool_worker.redis_keys import BEAT_PREFIX
from pool_worker.redis_url import as_plain_redis, login_arguments, socket_path, tls_arguments, without_login
from pool_worker.settings import Settings

TRANSPORT = "pool_worker.broker.transport:Transport"
POOL = "pool_worker.broker.asyncio_pool:TaskPool"
SCHEDULER = "pool_worker.broker.ticks:TickScheduler"
SPARE_CONNECTIONS = 64
REDIS_URL = "pool_secret_redis_url"
"""Setting: the URL as it was given, for connections of our own. Celery shows no value whose name has `secret` in it."""

Connection.resolve_aliases[TRANSPORT] = "redis"
"""It speaks as kombu's own: URLs show it as `redis://`, without which Flower cannot read the queues' lengths."""


def celery_settings(settings: Settings, *, queues: Sequence[str]) -> dict[str, Any]:
    """Celery's settings for workers, beat and Flower; `queues` are all that exist.

    Raises:
        ConfigurationError: for a Redis URL that Celery cannot use.
    """
    url = settings.broker_url
    return {
        **broker_settings(url),
        "broker_transport_options": _transport_options(settings),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # by default a worker exits after some 46 s without Redis
        "broker_channel_error_retry": True,  # by default a worker exits if it connects while Redis is full or read-only
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # a blip must not kill calls that cost money
        **_tasks(queues),
        **_worker(settings),
        **_beat(url),
    }


def broker_settings(url: str) -> dict[str, Any]:
    """Where the messages are.

    kombu looks at no scheme when the transport is named: from a `rediss://` alone it would send the password in the clear.
    """
    tls = tls_arguments(url)
    return {
        REDIS_URL: url,
        "broker_url": as_plain_redis(url),
        "broker_use_ssl": tls,
        "redis_backend_use_ssl": tls,  # of the backend that counts the parts of a chord
        "broker_transport": TRANSPORT,
    }


def _tasks(queues: Sequence[str]) -> dict[str, Any]:
    return {
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,  # `finish` stores the outcome in one step; a result backend costs a third of a worker's time
        "result_backend": None,
        "result_expires": None,  # else beat gets a daily task that cleans up a backend
        "task_publish_retry_policy": {"max_retries": 8, "interval_start": 0.1, "interval_step": 0.5, "interval_max": 3},
        "task_queues": [Queue(name, Exchange(""), routing_key=name) for name in (*queues, MAINTENANCE_QUEUE)],
        "task_default_queue": MAINTENANCE_QUEUE,
        "task_default_exchange": "",
        "task_default_routing_key": MAINTENANCE_QUEUE,
        "task_routes": {TASK_NAME: {"queue": queues[0]}},
        "task_create_missing_queues": False,  # by default a queue's misspelt name swallows jobs
        "worker_disable_rate_limits": True,  # ours are leases
    }


def _worker(settings: Settings) -> dict[str, Any]:
    return {
        "worker_pool": POOL,
        "worker_concurrency": settings.concurrency,
        "worker_prefetch_multiplier": 1,  # what a worker cannot start at once stays where another can claim it
        "worker_send_task_events": False,  # three messages a job; Flower turns them on while it runs, and they carry ids only
        "worker_hijack_root_logger": True,
        "worker_log_format": "%(asctime)s %(levelname)-7s %(message)s",
        "worker_task_log_format": "%(asctime)s %(levelname)-7s %(task_name)s %(task_id)s %(message)s",
        "pool_drain_s": settings.drain_s,
    }


def _beat(url: str) -> dict[str, Any]:
    keepalive = {} if socket_path(url) else {"socket_keepalive": True}
    return {
        "beat_schedule": BEAT_SCHEDULE,
        "beat_scheduler": SCHEDULER,  # several beats may run: one is active, the others take over
        "beat_max_loop_interval": 5,  # with redbeat's defaults a dead beat's lock lasts 25 minutes
        "redbeat_lock_timeout": 30,
        "redbeat_redis_url": without_login(url),  # Celery hides what is called password when it shows its settings, but no URL
        "redbeat_redis_options": {"socket_timeout": 15, "socket_connect_timeout": 5, **keepalive, **login_arguments(url)},
        "redbeat_key_prefix": BEAT_PREFIX,
    }


def _transport_options(settings: Settings) -> dict[str, Any]:
    return {
        "visibility_timeout": settings.visibility_s,  # short, because it is renewed: a dead worker's jobs are back this soon
        "queue_order_strategy": "round_robin",
        "priority_steps": sorted(CELERY_PRIORITY.values()),
        "max_connections": settings.concurrency + SPARE_CONNECTIONS,
        "socket_timeout": 15,  # without one, an acknowledgement on a half-open connection blocks the worker for ever
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "unix_socket": socket_path(settings.broker_url),
    }
