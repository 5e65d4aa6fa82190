"""Reaching what runs: one place decides which Redis a command talks to, and says what to do when nothing runs."""

from __future__ import annotations

import redis

from pool_client.redis_connection import DEFAULT_URL, connect, describe
from pool_worker.cli.running import connected_settings
from pool_worker.cli.terminal import CommandError, as_typed, in_columns
from pool_worker.settings import Settings


def reach(settings: Settings | None = None) -> Settings:
    """The settings with which a command reaches the pool; its Redis has just answered.

    The Redis is the one that was named (`--redis`, `MODEL_POOL_REDIS_URL`), else that of the system which runs on the home
    folder or on one of its simulations', else `redis://localhost:6379/0`.

    Raises:
        CommandError: if nothing answers; it says how to start it.
        ConfigurationError: if several systems run here, so that one must be named.
    """
    given = settings or Settings()
    connected = connected_settings(given)
    url = str(connected.redis_url)
    with connect(url) as client:
        try:
            client.ping()
        except (redis.RedisError, OSError) as error:
            is_guess = given.redis_url is None and connected.home == given.home
            raise CommandError(_nothing_runs() if is_guess and _refuses(error) else _trouble(error, url)) from None
    return connected


def _refuses(error: Exception) -> bool:
    """Whether nobody listens there; somebody who answers strangely is another matter."""
    return isinstance(error, redis.ConnectionError | OSError) and not isinstance(error, redis.AuthenticationError)


def starter(url: str) -> str:
    """The command, without the program's name, that starts workers on the Redis that `reach` has chosen."""
    if Settings().redis_url is not None:
        return "up"
    return f"up --redis {url}" if url == DEFAULT_URL else "worker"


def _nothing_runs() -> str:
    ways = {as_typed("up"): "with your API keys", as_typed("up --simulate"): "with simulated providers, no key needed"}
    return f"nothing is running here. To start it:\n{in_columns(ways)}\nA Redis elsewhere is named with --redis URL."


def _trouble(error: Exception, url: str) -> str:
    return (
        f"{describe(error, url)}. Start it, or name another with --redis (MODEL_POOL_REDIS_URL); "
        f"`{as_typed('doctor')}` looks closer"
    )
