"""Reads `configs/` and `.env` into the facts of `pool_worker.registry`, and tells every mistake at once."""

from __future__ import annotations

from pool_worker.config.env_alerts import AlertTargets
from pool_worker.config.env_keys import EnvFile, EnvKey, read_env_keys
from pool_worker.config.loading import load_profile, load_registry
from pool_worker.config.mistakes import ConfigError, Mistake
from pool_worker.config.profiles import Profile

__all__ = [
    "AlertTargets",
    "ConfigError",
    "EnvFile",
    "EnvKey",
    "Mistake",
    "Profile",
    "load_profile",
    "load_registry",
    "read_env_keys",
]
