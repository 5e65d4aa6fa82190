"""Connections to Redis with explicit settings, and Redis's errors in plain words.

redis-py's defaults retry a command ten times, also after a time-out, and open a hundred connections before they raise. Here
nothing is retried unseen, and a thread that finds no free connection waits for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from pool_client.errors import ConfigurationError, PoolUnavailableError

DEFAULT_URL = "redis://localhost:6379/0"
CONNECT_WITHIN_S = 5.0
ANSWER_WITHIN_S = 15.0
HEALTH_CHECK_S = 10
CONNECTIONS = 50
FEW_CONNECTIONS = 8


def connection_options(*, asynchronous: bool = False, decode: bool = True) -> dict[str, Any]:
    """Keyword arguments for any redis-py connection pool: time-outs, keepalive, and no retries."""
    return {
        "socket_timeout": ANSWER_WITHIN_S,
        "socket_connect_timeout": CONNECT_WITHIN_S,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_S,
        "retry": AsyncRetry(NoBackoff(), 0) if asynchronous else Retry(NoBackoff(), 0),
        "protocol": 2,
        "decode_responses": decode,
    }


def _fitting(url: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options for this kind of URL: a Unix socket has no keepalive, and redis-py would refuse to be told of one."""
    return {name: value for name, value in options.items() if not (url.startswith("unix:") and name == "socket_keepalive")}


def connect(url: str, *, decode: bool = True) -> redis.Redis:
    """A client for threads; it connects when it is first used.

    Raises:
        ConfigurationError: if the URL is not a Redis URL; its password is never shown.
    """
    with _url_errors(url):
        options = _fitting(url, connection_options(decode=decode))
        pool = redis.BlockingConnectionPool.from_url(url, max_connections=CONNECTIONS, timeout=ANSWER_WITHIN_S, **options)
        pool.connection_class(**pool.connection_kwargs)  # builds, does not connect: options in the URL are checked only here
    pool.connection_class = type("Connection", (_LeavesReplicas, pool.connection_class), {})
    return redis.Redis.from_pool(pool)


def async_pool(url: str, *, max_connections: int) -> redis.asyncio.BlockingConnectionPool:
    """Connections for coroutines, of which each is waited for as long as for an answer.

    Raises:
        ConfigurationError: if the URL is not a Redis URL.
    """
    options = _fitting(url, connection_options(asynchronous=True))
    with _url_errors(url):
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url, max_connections=max_connections, timeout=ANSWER_WITHIN_S, **options
        )
    pool.connection_class = _careful(pool.connection_class)
    return pool


def connect_async(url: str) -> redis.asyncio.Redis:
    """A client for coroutines that ask little; it connects when it is first used. Raises as `async_pool` does."""
    return redis.asyncio.Redis.from_pool(async_pool(url, max_connections=FEW_CONNECTIONS))


class _LeavesReplicas:
    """A connection that is not used again once READONLY was answered: another server may be the primary at this address now."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]  # of the connection that this is mixed into
        except redis.ReadOnlyError:
            self.mark_for_reconnect()  # type: ignore[attr-defined]
            raise


class _Careful:
    """The same for coroutines; and what uvloop says of a connection that was reset is an error of the connection too."""

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        try:
            await super().send_packed_command(*args, **options)  # type: ignore[misc]
        except RuntimeError as error:  # redis-py knows asyncio's errors only, and would take this one for a mistake of its caller
            msg = f"the connection was closed: {error}"
            raise redis.ConnectionError(msg) from error

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)  # type: ignore[misc]
        except redis.ReadOnlyError:
            self.mark_for_reconnect()  # type: ignore[attr-defined]
            raise


def _careful(kind: type[redis.asyncio.connection.AbstractConnection]) -> type[redis.asyncio.connection.AbstractConnection]:
    return type("Connection", (_Careful, kind), {})


def pubsub_connection(url: str) -> redis.asyncio.connection.AbstractConnection:
    """An unconnected asyncio connection that speaks RESP3, where replies and published messages share one connection.

    Reads and writes on it have no time-out of their own: redis-py bounds writes by `asyncio.wait_for`, which on Python 3.11 can
    swallow a cancellation.
    """
    ours = {"protocol": 3, "health_check_interval": 0, "socket_timeout": None}
    with _url_errors(url):
        pool = redis.asyncio.ConnectionPool.from_url(url, **_fitting(url, connection_options(asynchronous=True)))
        return _careful(pool.connection_class)(**pool.connection_kwargs | ours)  # whatever the URL says


def shown(url: str) -> str:
    """The URL without user name, password and options, for people to read."""
    try:
        parts = urlsplit(url)
        where = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not a URL)"
    return f"{parts.scheme}://{where}{port}{parts.path}"


@contextmanager
def redis_errors(url: str) -> Iterator[None]:
    """Turn what redis-py raises into a `PoolUnavailableError` that says what is the matter."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise PoolUnavailableError(describe(error, url)) from error


def describe(error: Exception, url: str) -> str:
    """What is the matter with Redis, in a sentence."""
    return f"Redis at {shown(url)} {_trouble(error)}"


def is_outage(error: Exception) -> bool:
    """Whether it may pass by itself: a server that is away, starts, is full or a replica now; not a wrong password."""
    if isinstance(error, _REFUSALS):
        return False
    return isinstance(error, (*_PASSING, OSError)) or _code(error) in _WORDS_OF_CODE


def is_lost_answer(error: Exception) -> bool:
    """Whether Redis may have done what was asked, though its answer did not come: we were connected, and it refused nothing."""
    if isinstance(error, (*_REFUSALS, redis.BusyLoadingError)) or any(words in str(error) for words in _UNSENT):
        return False
    return isinstance(error, redis.ConnectionError | redis.TimeoutError | OSError)


def _code(error: Exception) -> str:
    """The first word of an answer for which redis-py has no class; in pipelines it puts the command before it."""
    return str(error).rpartition("caused error: ")[2].partition(" ")[0] if isinstance(error, redis.ResponseError) else ""


def _trouble(error: Exception) -> str:
    if words := _WORDS_OF_CODE.get(_code(error)):
        return words
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, redis.ConnectionError | OSError):
        return f"cannot be reached: {str(error).rstrip('.')}"
    return f"answered with an error: {str(error).rstrip('.')}"


_LATE = "did not answer in time"

_WORDS: dict[type[Exception], str] = {
    redis.exceptions.OutOfMemoryError: "refuses writes: it is full (raise its maxmemory, or wait until jobs are done)",
    redis.ReadOnlyError: "refuses writes: it is a read-only replica (use the URL of the primary)",
    redis.BusyLoadingError: "is still loading its data: try again in a moment",
    redis.exceptions.ClusterDownError: "has lost its primary or part of its cluster, and answers nothing meanwhile",
    redis.exceptions.AuthenticationError: "refuses us: user name or password is missing or wrong",
    redis.exceptions.NoPermissionError: "refuses us: this user may not run a command that the pool needs",
    redis.exceptions.MaxConnectionsError: "is used by too many threads of this process at once",
    redis.TimeoutError: _LATE,
    TimeoutError: _LATE,
}
"""The most special first: redis-py derives some of these from `ConnectionError`."""

_WORDS_OF_CODE = {
    "MISCONF": "refuses writes: it cannot save to its disk (is it full?)",
    "NOREPLICAS": "refuses writes: too few of its replicas are connected",
    "BUSY": "is busy with a script that does not end",
}

_UNSENT = ("connecting to", "max number of clients", "No connection available")
"""In errors of redis-py that mean that there never was a connection to send anything over."""

_REFUSALS = (redis.AuthenticationError, redis.exceptions.AuthorizationError, redis.exceptions.NoPermissionError)
_PASSING = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)


@contextmanager
def _url_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError) as error:
        # Their texts may quote the password, so neither text nor cause is passed on, but for the name of an unknown option.
        option = f" (unknown option {str(error).rsplit(' ', 1)[-1]})" if "unexpected keyword argument" in str(error) else ""
        msg = f"redis_url: {shown(url)} is not a Redis URL{option}: it should look like {DEFAULT_URL}, rediss://… or unix://…"
        raise ConfigurationError(msg) from None
