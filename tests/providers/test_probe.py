"""The cheap question whether a provider is well, and what is made of its answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from scripted_provider import Script, always, reply, serve

from pool_worker.errors import (
    AttemptError,
    AuthenticationFailedError,
    BadAnswerError,
    ModelGoneError,
    ProviderFailedError,
    ProviderOverloadedError,
    Scope,
)
from pool_worker.providers.http import open_http
from pool_worker.providers.probe import probe
from pool_worker.registry import Provider

SECRET = "gsk_" + "s3cret" * 6


def asked(script: Script, *, within_s: float = 5.0, protocol: str = "chat") -> AttemptError | None:
    """The error of a probe of a provider that answers like this."""

    async def scenario() -> AttemptError | None:
        async with serve(script) as server, open_http(concurrency=1) as http:
            provider = Provider(id="groq", base_url=server.url, protocol=protocol)
            try:
                await probe(http, provider=provider, secret=SECRET, now=lambda: datetime.now(UTC), within_s=within_s)
            except AttemptError as error:
                return error
            finally:
                assert all(request["line"].startswith("GET /v1/models ") for request in server.requests)
            return None

    return asyncio.run(scenario())


async def _silence(_writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(10)


def test_a_list_is_an_answer() -> None:
    assert asked(always(reply(200, {"object": "list", "data": []}))) is None


def test_the_native_list_of_gemini_is_an_answer_and_is_asked_with_its_header() -> None:
    models = {"models": [{"name": "models/gemini-3.5-flash", "supportedGenerationMethods": ["generateContent"]}]}

    async def scenario() -> dict[str, str]:
        async with serve(always(reply(200, models))) as server, open_http(concurrency=1) as http:
            provider = Provider(id="gemini", base_url=server.url, protocol="gemini", api_key_header="x-goog-api-key")
            await probe(http, provider=provider, secret=SECRET, now=lambda: datetime.now(UTC))
            (request,) = server.requests
            assert request["line"] == "GET /v1/models HTTP/1.1"
            return request["headers"]

    headers = asyncio.run(scenario())
    assert headers["x-goog-api-key"] == SECRET
    assert "authorization" not in headers


def test_a_provider_may_be_asked_another_question() -> None:
    async def scenario() -> list[str]:
        async with serve(always(reply(200, {"data": {}}))) as server, open_http(concurrency=1) as http:
            provider = Provider(id="openrouter", base_url=server.url, extra={"probe_path": "key"})
            await probe(http, provider=provider, secret=SECRET, now=lambda: datetime.now(UTC))
            return [request["line"].split()[1] for request in server.requests]

    assert asyncio.run(scenario()) == ["/v1/key"]


def test_a_protocol_may_list_elsewhere() -> None:
    async def scenario() -> list[str]:
        async with serve(always(reply(200, {"models": []}))) as server, open_http(concurrency=1) as http:
            for base_url in ("/v2", "/v2/", "/behind/a/gateway/v2"):
                provider = Provider(id="cohere", base_url=server.url.removesuffix("/v1") + base_url, protocol="cohere")
                await probe(http, provider=provider, secret=SECRET, now=lambda: datetime.now(UTC))
            return [request["line"].split()[1] for request in server.requests]

    assert asyncio.run(scenario()) == ["/v1/models", "/v1/models", "/behind/a/gateway/v1/models"]


def test_a_format_that_we_do_not_speak_is_told_in_words() -> None:
    error = asked(always(reply(200, {"data": []})), protocol="grpc")
    assert isinstance(error, ProviderFailedError)
    assert "speaks grpc" in error.reason


@pytest.mark.parametrize(
    ("script", "kind", "reason"),
    [
        (
            always(reply(401, {"error": {"message": f"Invalid API Key {SECRET}", "code": "invalid_api_key"}})),
            AuthenticationFailedError,
            "groq answered 401: Invalid API Key [key]",
        ),
        (always(reply(503, {"error": {"message": "Busy"}})), ProviderOverloadedError, "groq answered 503: Busy"),
        (always(reply(404, {"error": {"message": "No route"}})), ModelGoneError, "groq answered 404: No route"),
        (always(reply(200, b"<html>Log in</html>")), BadAnswerError, "the answer is a web page, not JSON"),
        (_silence, ProviderFailedError, "no answer within 0.2 s"),
    ],
)
def test_what_is_no_list_is_told_in_words_and_without_the_key(script: Script, kind: type[AttemptError], reason: str) -> None:
    error = asked(script, within_s=0.2 if script is _silence else 5.0)
    assert type(error) is kind
    assert error.reason == reason


def test_a_page_of_somebody_in_between_means_that_the_provider_is_not_reached() -> None:
    error = asked(always(reply(200, b"<html>Log in</html>")))
    assert error is not None
    assert error.scope is Scope.PROVIDER
