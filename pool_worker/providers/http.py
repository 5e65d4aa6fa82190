"""HTTP to providers: one client for the whole process, one call at a time, nothing hidden in between.

No retries (a POST is never repeated by aiohttp), no redirects, no cookies (they would tie keys together), no proxies or
credentials from the environment. What the transport raises is translated here and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version

import aiohttp
import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport

from pool_worker.errors import ProviderFailedError
from pool_worker.providers.body import ACCEPT_ENCODING, read_body
from pool_worker.providers.safe_text import safe_text

MAX_CONNECT_S = 10.0
KEEPALIVE_S = 4.0
"""Shorter than the 5 s after which common servers close an idle connection, so that we do not write into a closing one."""
USER_AGENT = f"model-pool/{version('model-pool')}"
"""Some providers' proxies answer 403 "error 1010" to the default names of libraries (PROVIDERS.md §2)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """Unpacked; what arrived of it, if there is a flaw."""
    flaw: str | None = None
    """Why the body is not whole: cut off, too large, or not to be unpacked."""


ReadBody = Callable[[httpx2.Response], Awaitable[tuple[bytes, str | None]]]
"""Reads a body: what arrived of it, and what is wrong with it."""

_on_sent: ContextVar[Callable[[], None]] = ContextVar("on_sent", default=lambda: None)
"""Of the call that the current task makes: told when its request goes out."""


async def _note_sent(*_: object) -> None:
    _on_sent.get()()


def open_http(*, concurrency: int) -> httpx2.AsyncClient:
    """The client for at most so many calls in flight. Use it as a context manager, inside the loop that it is to serve."""
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=KEEPALIVE_S)
    tls = httpx2.create_ssl_context(trust_env=False)

    def open_session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=concurrency, keepalive_timeout=KEEPALIVE_S, ssl=tls)
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_note_sent)
        cookies = aiohttp.DummyCookieJar()
        return aiohttp.ClientSession(connector=connector, cookie_jar=cookies, trust_env=False, trace_configs=[trace])

    return httpx2.AsyncClient(
        transport=AiohttpTransport(verify=tls, trust_env=False, limits=limits, client=open_session),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": ACCEPT_ENCODING},
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        trust_env=False,
    )


async def exchange(
    http: httpx2.AsyncClient,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
    content: bytes | None = None,
    on_sent: Callable[[], None] = lambda: None,
    read: ReadBody = read_body,
) -> Reply:
    """One request (a POST if it has content, else a GET), and the whole reply within `timeout_s`.

    `on_sent` is called when there is a connection and the request goes out on it; `read` reads the reply's body.

    Raises:
        ProviderFailedError: No status arrived: not connected, timed out, or cut off. `charged` says whether the request may
            have reached the provider. Nothing of the request hangs on the exception.
    """
    _on_sent.set(on_sent)
    try:
        async with asyncio.timeout(timeout_s):
            return await _exchange(http, url, headers=headers, content=content, timeout_s=timeout_s, read=read)
    except TimeoutError:
        failure = ProviderFailedError(f"no answer within {timeout_s:g} s", charged=True)
    except (httpx2.HTTPError, httpx2.InvalidURL, aiohttp.ClientError, ValueError) as error:
        failure = _translate(error, timeout_s=timeout_s)
    raise failure  # outside of the except blocks: a chained transport error would carry the request and so the key


async def _exchange(
    http: httpx2.AsyncClient, url: str, *, headers: Mapping[str, str], content: bytes | None, timeout_s: float, read: ReadBody
) -> Reply:
    connect_s = _connect_s(timeout_s)
    timeout = httpx2.Timeout(timeout_s, connect=connect_s, pool=connect_s)
    method = "GET" if content is None else "POST"
    request = http.build_request(method, url, headers=headers, content=content, timeout=timeout)
    response = await http.send(request, stream=True)
    try:
        body, flaw = await read(response)
    finally:
        await response.aclose()
    return Reply(status=response.status_code, headers=dict(response.headers), body=body, flaw=flaw)


def _translate(error: Exception, *, timeout_s: float) -> ProviderFailedError:
    """By what aiohttp raised, for the transport's own mapping calls a refused connection and a closed one time-outs alike."""
    cause = error.__cause__ or error
    if isinstance(cause, aiohttp.ConnectionTimeoutError):
        return ProviderFailedError(f"no connection within {_connect_s(timeout_s):g} s")
    if isinstance(
        cause, aiohttp.ClientConnectorError | aiohttp.InvalidURL | httpx2.InvalidURL | httpx2.UnsupportedProtocol | ValueError
    ):
        return ProviderFailedError(safe_text(f"not connected: {cause}"))
    if isinstance(cause, TimeoutError | httpx2.TimeoutException):
        return ProviderFailedError(f"no answer within {timeout_s:g} s", charged=True)
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return ProviderFailedError("the connection was closed without an answer", charged=True)
    return ProviderFailedError(safe_text(f"connection broken: {cause}"), charged=True)


def _connect_s(timeout_s: float) -> float:
    """Less than the whole, so that what was never sent is told apart from what was never answered."""
    return min(MAX_CONNECT_S, timeout_s / 2)
