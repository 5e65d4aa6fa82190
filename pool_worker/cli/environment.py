"""Settings as the environment of child processes."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pool_worker.settings import PREFIX, Settings


def environment_of(settings: Settings) -> dict[str, str]:
    """This process's environment, with the settings in it: a child reads the same ones, wherever ours came from.

    Raises:
        ConfigurationError: for a Redis URL that Celery cannot use; said here, for the child could only die of it.
    """
    named = {
        "REDIS_URL": settings.broker_url,
        "DATABASE_URL": settings.ledger_url,
        "HOME": str(settings.home),
        "CONFIG_DIR": str(settings.config_dir),
        "SIMULATOR_URL": settings.simulator_url,
        "PROFILE": settings.profile,
    }
    ours: Mapping[str, str] = {PREFIX + name: value for name, value in named.items() if value is not None}
    return {**os.environ, **ours, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": _with_filter(os.environ.get("PYTHONWARNINGS", ""))}


def _with_filter(filters: str) -> str:
    """Celery warns of root because pickled messages could run code; ours are JSON, and containers often run as root."""
    return ",".join(filter(None, (filters, "ignore:You're running the worker with superuser")))
