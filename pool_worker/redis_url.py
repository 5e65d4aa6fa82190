"""One Redis URL (`redis://`, `rediss://`, `unix://`), and what each library of a worker has to be told of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from redis.connection import parse_url

_OF_TLS = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
"""Celery shows them to whoever asks a worker for its settings, so none of them is a secret."""
_OPTIONS = {"redis": ("db",), "unix": ("db",), "rediss": ("db", *_OF_TLS)}


def known_options(url: str) -> tuple[str, ...]:
    """The options that a URL of this scheme may have."""
    return _OPTIONS[urlsplit(url).scheme]


def unknown_options(url: str) -> list[str]:
    """Names of the options in a URL that workers do not take: time-outs and the like are theirs to set."""
    names = (name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True))
    return [name for name in names if name not in known_options(url)]


def connection_arguments(url: str) -> dict[str, Any]:
    """The keyword arguments of redis-py that the URL stands for; a TLS server has to show a certificate unless it says otherwise.

    Raises:
        ValueError: if it cannot be read.
    """
    usual = {"ssl_cert_reqs": "required"} if url.startswith("rediss:") else {}
    return {"db": 0, **usual, **parse_url(url)}  # type: ignore[no-untyped-call]  # redis-py left it so


def tls_arguments(url: str) -> dict[str, Any] | None:
    """Those of them that are about TLS; None for a connection without."""
    return {name: value for name, value in connection_arguments(url).items() if name in _OF_TLS} or None


def login_arguments(url: str) -> dict[str, str]:
    """User name and password, as far as there are."""
    given = connection_arguments(url)
    return {name: given[name] for name in ("username", "password") if name in given}


def socket_path(url: str) -> str | None:
    """Where the Unix socket is, if it is one."""
    path: str | None = connection_arguments(url).get("path")
    return path


def without_login(url: str) -> str:
    """The URL without user name and password."""
    login, at, _ = urlsplit(url).netloc.rpartition("@")
    return url.replace(login + at, "", 1)


def as_plain_redis(url: str) -> str:
    """`redis://user:password@host:port/db`, the only form that kombu and Flower understand; TLS they are told apart.

    In place of a host it has the path of a Unix socket, so that whoever is not told of that finds nobody to send a password to.
    """
    given = connection_arguments(url)
    user, password = (quote(given.get(name, ""), safe="") for name in ("username", "password"))
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    host = given.get("path") or given.get("host", "localhost")
    where = host if ":" not in host else f"[{host}]"  # an IPv6 address
    port = f":{given['port']}" if "port" in given else ""
    return f"redis://{login}{quote(where, safe='[:]')}{port}/{given['db']}"
