"""Asking a provider whether it is well, by the cheapest question that it answers: which models there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import httpx2

from pool_worker.providers.classify import classify
from pool_worker.providers.http import exchange
from pool_worker.providers.refusal import Refusal
from pool_worker.providers.request import authorized
from pool_worker.registry import Provider

WITHIN_S = 10.0


async def probe(http: httpx2.AsyncClient, *, provider: Provider, secret: str, now: Callable[[], datetime]) -> None:
    """One listing call; returns if it was answered. It counts against no quota of completions.

    Raises:
        AttemptError: One of its subclasses: the provider is not well, or does not accept the key.
    """
    url = provider.base_url.rstrip("/") + "/models"
    reply = await exchange(http, url, headers=authorized(provider, secret=secret), timeout_s=WITHIN_S)
    if not 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's own range of success
        body = reply.body[:2000].decode("utf-8", "replace")
        refusal = Refusal(provider_id=provider.id, status=reply.status, headers=reply.headers, body=body)
        raise classify(refusal, now=now(), secret=secret)
