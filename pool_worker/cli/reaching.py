"""Reaching what runs: one place decides which Redis a command talks to, and says what to do when nothing runs."""

from __future__ import annotations

import redis

from pool_client.redis_connection import DEFAULT_URL, connect, describe
from pool_worker.cli.running import connected_settings, find_running, left_behind
from pool_worker.cli.terminal import CommandError, as_typed, err, in_columns
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
    is_guess = given.redis_url is None and not find_running(given.home)
    with connect(url) as client:
        try:
            client.ping()
        except (redis.RedisError, OSError) as error:
            raise CommandError(_nothing_runs(given) if is_guess and _refuses(error) else _trouble(error, url)) from None
    if is_guess:
        err.print(f"{_what_is_missing(given)}; this is {url}", style="dim", markup=False)
    return connected


def _refuses(error: Exception) -> bool:
    """Whether nobody listens there; somebody who answers strangely is another matter."""
    return isinstance(error, redis.ConnectionError | OSError) and not isinstance(error, redis.AuthenticationError)


def starter(url: str) -> str:
    """The command, without the program's name, that starts workers on the Redis that `reach` has chosen."""
    if Settings().redis_url is not None:
        return "up"
    return f"up --redis {url}" if url == DEFAULT_URL else "worker"


def _nothing_runs(settings: Settings) -> str:
    ways = {as_typed("up"): "with your API keys", as_typed("up --simulate"): "with simulated providers, no key needed"}
    return f"{_what_is_missing(settings)}. To start it:\n{in_columns(ways)}\nA Redis elsewhere is named with --redis URL."


def _what_is_missing(settings: Settings) -> str:
    if (was := left_behind(settings.home)) is not None:
        command = as_typed("up" if was.profile is None else f"up --simulate {was.profile}")
        return f"`{command}` was killed on {was.home}: started again, it goes on with what it left"
    return f"nothing is running here ({settings.home})"


def _trouble(error: Exception, url: str) -> str:
    return (
        f"{describe(error, url)}. Start it, or name another with --redis (MODEL_POOL_REDIS_URL); "
        f"`{as_typed('doctor')}` looks closer"
    )
