"""From a provider's row and a job to the call that is to be made: address, headers, body.

A row's `extra` may hold these quirks::

    account_id: abc123                      # any word in braces in base_url is filled from extra
    rename_fields: {seed: random_seed}      # the provider's names of fields of the request
    drop_fields: [seed]                     # fields that it refuses
    send_job_id: true                       # X-Job-Id, for a provider of our own that counts calls by job
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from pool_client.job import Job
from pool_worker.errors import AuthenticationFailedError, BadRequestError, ProviderFailedError
from pool_worker.protocols.protocol import Protocol
from pool_worker.registry import Model, Provider

_OWN_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


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
        AuthenticationFailedError: The stored key holds characters that a header cannot carry.
        ProviderFailedError: The provider's base URL has a placeholder that its `extra` does not fill.
    """
    body = _adapt(protocol.render_request(job, model_name=model.name, max_tokens=max_tokens), provider)
    try:
        content = orjson.dumps(body)
    except TypeError as error:
        reason = f"the request cannot be written as JSON: {error}"
        raise BadRequestError(reason) from None
    path = protocol.path.replace("{model}", quote(model.name, safe="/:@"))
    return Call(url=_base_url(provider) + path, headers=_headers(provider, secret=secret, job=job), content=content)


def _adapt(body: dict[str, Any], provider: Provider) -> dict[str, Any]:
    renamed, dropped = provider.extra.get("rename_fields") or {}, provider.extra.get("drop_fields") or ()
    if not renamed and not dropped:
        return body
    return {renamed.get(name, name): value for name, value in body.items() if name not in dropped}


def _base_url(provider: Provider) -> str:
    def fill(found: re.Match[str]) -> str:
        value = provider.extra.get(found[1])
        if not value:
            reason = f"provider {provider.id}: base_url needs {found[1]}; give it as extra.{found[1]} in providers.yaml"
            raise ProviderFailedError(reason)
        return quote(str(value), safe="")

    return _PLACEHOLDER.sub(fill, provider.base_url).rstrip("/")


def _headers(provider: Provider, *, secret: str, job: Job) -> dict[str, str]:
    headers = {"Content-Type": "application/json", **provider.headers}
    if provider.needs_key:
        if not secret or not secret.isascii() or not secret.isprintable():
            reason = f"the stored key of {provider.id} is empty or holds characters that a header cannot carry"
            raise AuthenticationFailedError(reason)
        if provider.api_key_header:
            headers[provider.api_key_header] = secret
        else:
            headers["Authorization"] = f"Bearer {secret}"
    if provider.extra.get("send_job_id") or urlsplit(provider.base_url).hostname in _OWN_HOSTS:
        headers["X-Job-Id"] = job.id
    return headers
