"""One attempt: exactly one HTTP call with one key, and then either an answer or an error that says whom to blame."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx2

from pool_client.job import Job
from pool_worker.errors import AttemptError, BadAnswerError, ContentRefusedError, ProviderFailedError
from pool_worker.observed import Observed
from pool_worker.protocols import PROTOCOLS
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.protocol import Protocol
from pool_worker.providers.body import parse_json
from pool_worker.providers.classify import classify
from pool_worker.providers.http import Reply, exchange
from pool_worker.providers.observed import observed_in_headers
from pool_worker.providers.refusal import Refusal
from pool_worker.providers.request import build_call
from pool_worker.providers.streaming import StreamReader, nobody_listens
from pool_worker.registry import Model, Provider

_TAGS = re.compile(r"<[^>]{0,2000}>")
_FILTERED = frozenset({"content_filter", "safety", "prohibited_content", "blocklist"})


@dataclass(frozen=True, slots=True)
class Success:
    """An attempt that brought an answer."""

    answer: Answer
    observed: tuple[Observed, ...]
    """The windows that the headers told about."""
    status_code: int


async def attempt(
    http: httpx2.AsyncClient,
    *,
    provider: Provider,
    model: Model,
    secret: str,
    job: Job,
    max_tokens: int | None,
    timeout_s: float,
    now: Callable[[], datetime],
    on_sent: Callable[[], None] = lambda: None,
    on_text: Callable[[str], None] = lambda _: None,
) -> Success:
    """Asks once and reads what comes back; costs one HTTP call, never two.

    Args:
        http: From `open_http`.
        provider: Where to call, and its quirks.
        model: What to call there.
        secret: The API key in the clear; ignored if the provider needs none. It shows up in no error.
        job: What is asked.
        max_tokens: Bound of the answer to send, already trimmed to model and quota; None sends none.
        timeout_s: For the whole call, from connecting to the last byte.
        now: Gives the present, UTC; asked when the reply is there.
        on_sent: Called when the request goes out.
        on_text: Called with every piece of the answer's text as it arrives, if the job asks for a stream.

    Raises:
        AttemptError: One of its subclasses, with `observed` set to whatever limits the provider told about.
    """
    protocol = protocol_of(provider)
    call = build_call(protocol, provider=provider, model=model, secret=secret, job=job, max_tokens=max_tokens)
    reader = StreamReader(protocol, on_text=on_text if job.stream else nobody_listens)
    try:
        reply = await exchange(
            http, call.url, headers=call.headers, content=call.content, timeout_s=timeout_s, on_sent=on_sent, read=reader.read
        )
    except ProviderFailedError as error:
        error.text_bytes = reader.text_bytes
        raise
    return read_reply(protocol, reply, reader, provider=provider, secret=secret, arrived_at=now())


def read_reply(
    protocol: Protocol, reply: Reply, reader: StreamReader, *, provider: Provider, secret: str, arrived_at: datetime
) -> Success:
    """What a reply says, whatever it is made of.

    Args:
        protocol: the provider's wire format.
        reply: what came.
        reader: who has read its body; of a stream it has the answer.
        provider: whose it is.
        secret: the key that it was asked with, to be kept out of errors.
        arrived_at: when it came, UTC.

    Raises:
        AttemptError: As from `attempt`; nothing else, for any status, headers and body.
    """
    if not 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's own range of success
        raise classify(_refusal(provider, reply, body=decoded_or_text(reply)), now=arrived_at, secret=secret)
    observed = observed_in_headers(provider.id, reply.headers, now=arrived_at)
    try:
        answer = _read_answer(protocol, reply, reader, provider=provider, secret=secret, now=arrived_at)
    except AttemptError as error:
        error.text_bytes = reader.text_bytes
        error.status_code = error.status_code or reply.status
        error.observed = error.observed or observed
        raise
    return Success(answer=answer, observed=observed, status_code=reply.status)


def protocol_of(provider: Provider) -> Protocol:
    """The wire format that a provider speaks.

    Raises:
        ProviderFailedError: We do not speak it.
    """
    protocol = PROTOCOLS.get(provider.protocol)
    if protocol is None:
        reason = f"provider {provider.id} speaks {provider.protocol}, which is not one of {', '.join(PROTOCOLS)}"
        raise ProviderFailedError(reason)
    return protocol


def _read_answer(
    protocol: Protocol, reply: Reply, reader: StreamReader, *, provider: Provider, secret: str, now: datetime
) -> Answer:
    """The answer in a 2xx, which may also be no JSON, half of it, or an error in disguise."""
    if reply.flaw:
        raise BadAnswerError(reply.flaw, charged=True)
    body = None if reader.is_stream else _decoded(reply)
    disguised = reader.disguised if reader.is_stream else protocol.find_error(body)
    if disguised is not None:
        status = disguised.http_status or reply.status
        raise classify(_refusal(provider, reply, body=disguised.fields, status=status), now=now, secret=secret)
    answer = reader.answer() if reader.is_stream else protocol.parse_answer(body)
    if not answer.content and not answer.tool_calls and (answer.finish_reason or "").lower() in _FILTERED:
        reason = f"the content filter of {provider.id} left nothing of the answer"
        raise ContentRefusedError(reason, charged=True)
    return answer


def _decoded(reply: Reply) -> object:
    try:
        return parse_json(reply.body)
    except ValueError:
        raise BadAnswerError(not_json_words(reply), charged=True) from None


def _refusal(provider: Provider, reply: Reply, *, body: object, status: int | None = None) -> Refusal:
    return Refusal(provider_id=provider.id, status=status or reply.status, headers=reply.headers, body=body)


def decoded_or_text(reply: Reply) -> object:
    """A refusal's body: decoded JSON, else its words."""
    try:
        return parse_json(reply.body)
    except ValueError:
        return _TAGS.sub(" ", reply.body[:20_000].decode("utf-8", "replace"))


def not_json_words(reply: Reply) -> str:
    """What came instead of JSON."""
    if not reply.body.strip():
        return "the answer is empty"
    if reply.body.lstrip()[:1] == b"<":
        return "the answer is a web page, not JSON"
    return f"the answer is not JSON ({len(reply.body)} bytes)"
