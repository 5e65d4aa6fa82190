"""Asking a provider whether it is well, by the cheapest question that it answers: which models there are.

A provider's `extra` may name another one, such as `probe_path: key`: OpenRouter lists its models for everybody, and looks at
the key only where it is asked about that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urljoin

import httpx2

from pool_worker.errors import BadAnswerError
from pool_worker.providers.attempt import decoded_or_text, not_json_words, protocol_of
from pool_worker.providers.body import parse_json
from pool_worker.providers.classify import classify
from pool_worker.providers.http import exchange
from pool_worker.providers.refusal import Refusal
from pool_worker.providers.request import authorized
from pool_worker.registry import Provider

WITHIN_S = 10.0


async def probe(
    http: httpx2.AsyncClient,
    *,
    provider: Provider,
    secret: str,
    now: Callable[[], datetime],
    within_s: float = WITHIN_S,
) -> None:
    """One such call; returns if it was answered. It counts against no quota of completions.

    Raises:
        AttemptError: One of its subclasses: the provider is not well, does not accept the key, or has no such list.
    """
    path = str(provider.extra.get("probe_path") or protocol_of(provider).listing_path)
    url = urljoin(provider.base_url.rstrip("/") + "/", path)
    reply = await exchange(http, url, headers=authorized(provider, secret=secret), timeout_s=within_s)
    if not 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's own range of success
        refusal = Refusal(provider_id=provider.id, status=reply.status, headers=reply.headers, body=decoded_or_text(reply))
        raise classify(refusal, now=now(), secret=secret)
    try:
        parse_json(reply.body)
    except ValueError:
        if reply.flaw is None:  # a hotel's or a firewall's page, which comes with a 200 too
            raise BadAnswerError(not_json_words(reply), status_code=reply.status) from None
