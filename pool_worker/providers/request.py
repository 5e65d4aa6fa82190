"""From a provider's row and a job to the call that is to be made: address, headers, body.

A provider's `extra`, or a model's `metadata` for that model alone, may hold these quirks::

    rename_fields: {seed: random_seed}      # other names of fields of the request
    drop_fields: [temperature]              # fields that are refused

and a provider's `extra` also `send_job_id: true`: X-Job-Id, for a server of our own that counts calls by job; and `probe_path`
(see `probe`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from pool_client.job import Job
from pool_worker.errors import AuthenticationFailedError, BadRequestError
from pool_worker.protocols.protocol import Protocol
from pool_worker.registry import Model, Provider

_OWN_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP POST, ready to go. Its repr shows neither headers nor body, which hold the key and the prompt."""

    url: str
    headers: dict[str, str]
    content: bytes

    def __repr__(self) -> str:
        return f"Call({self.url!r}, {len(self.content)} bytes)"


def build_call(protocol: Protocol, *, provider: Provider, model: Model, secret: str, job: Job, max_tokens: int | None) -> Call:
    """The call for one attempt.

    Raises:
        BadRequestError: The job holds something that JSON cannot carry.
        UnsupportedRequestError: It asks for what the protocol has no words for.
        AuthenticationFailedError: The stored key holds characters that a header cannot carry.
    """
    if max_tokens is None and protocol.needs_max_tokens:
        max_tokens = model.max_output_tokens
    body = _adapt(protocol.render_request(job, model_name=model.name, max_tokens=max_tokens), provider=provider, model=model)
    try:
        content = orjson.dumps(body)
    except TypeError as error:
        reason = f"the request cannot be written as JSON: {error}"
        raise BadRequestError(reason) from None
    path = (protocol.stream_path or protocol.path) if job.stream else protocol.path
    path = path.replace("{model}", quote(model.name.removeprefix("models/"), safe="/:@"))
    return Call(url=provider.base_url.rstrip("/") + path, headers=_headers(provider, secret=secret, job=job), content=content)


def _adapt(body: dict[str, Any], *, provider: Provider, model: Model) -> dict[str, Any]:
    quirks = (provider.extra, model.metadata)
    renamed = {old: new for quirk in quirks for old, new in (quirk.get("rename_fields") or {}).items()}
    dropped = {name for quirk in quirks for name in quirk.get("drop_fields") or ()}
    return {renamed.get(name, name): value for name, value in body.items() if name not in dropped}


def _headers(provider: Provider, *, secret: str, job: Job) -> dict[str, str]:
    headers = {"Content-Type": "application/json", **authorized(provider, secret=secret)}
    if provider.extra.get("send_job_id") or urlsplit(provider.base_url).hostname in _OWN_HOSTS:
        headers["X-Job-Id"] = job.id
    return headers


def authorized(provider: Provider, *, secret: str) -> dict[str, str]:
    """The headers that every call to a provider carries, with the key in its place.

    Raises:
        AuthenticationFailedError: The stored key holds characters that a header cannot carry.
    """
    headers = dict(provider.headers)
    if provider.needs_key:
        if not secret or not secret.isascii() or not secret.isprintable():
            reason = f"the stored key of {provider.id} is empty or holds characters that a header cannot carry"
            raise AuthenticationFailedError(reason)
        if provider.api_key_header:
            headers[provider.api_key_header] = secret
        else:
            headers["Authorization"] = f"Bearer {secret}"
    return headers
