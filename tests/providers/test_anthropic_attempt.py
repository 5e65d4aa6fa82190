"""An attempt at Anthropic, by the row that ships: what is sent, and what becomes of errors that come with a 200."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx2
import pytest
from scripted_provider import always, reply, serve

from pool_client.job import Job, Message, Usage
from pool_worker import errors
from pool_worker.config import load_registry
from pool_worker.providers.attempt import Success, attempt
from pool_worker.providers.http import open_http
from pool_worker.providers.probe import probe
from pool_worker.registry import Model, Provider
from pool_worker.settings import shipped_config_dir

SECRET = "sk-ant-invented"  # noqa: S105 - invented
MODEL = Model(id="claude", provider="anthropic", name="claude-haiku-4-5", max_output_tokens=64_000)
Act = Callable[[httpx2.AsyncClient, Provider], Awaitable[object]]
ANSWER: dict[str, Any] = {
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "Because."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 9, "output_tokens": 3},
}


def at_anthropic(answered: bytes, act: Act) -> tuple[object, dict[str, Any]]:
    """What comes of it where Anthropic answers like this, and the one request that it got."""

    async def scenario() -> tuple[object, dict[str, Any]]:
        async with serve(always(answered)) as server, open_http(concurrency=1) as http:
            row = load_registry(shipped_config_dir(), environ={}).providers["anthropic"]
            try:
                found = await act(http, replace(row, base_url=server.url))
            except errors.AttemptError as error:
                found = error
            (request,) = server.requests
            return found, request

    return asyncio.run(scenario())


def asking(now: datetime) -> Act:
    job = Job(messages=[Message(role="user", content="Why?")])

    async def ask(http: httpx2.AsyncClient, provider: Provider) -> Success:
        return await attempt(
            http, provider=provider, model=MODEL, secret=SECRET, job=job, max_tokens=None, timeout_s=5.0, now=lambda: now
        )

    return ask


def test_an_attempt(now: datetime) -> None:
    success, request = at_anthropic(reply(200, ANSWER), asking(now))
    assert isinstance(success, Success)
    assert (success.answer.content, success.answer.usage) == ("Because.", Usage(input_tokens=9, output_tokens=3))
    assert request["line"] == "POST /v1/messages HTTP/1.1"
    assert (request["headers"]["x-api-key"], request["headers"]["anthropic-version"]) == (SECRET, "2023-06-01")
    assert "authorization" not in request["headers"]
    assert request["body"] == {
        "model": "claude-haiku-4-5",
        "max_tokens": 64_000,
        "messages": [{"role": "user", "content": "Why?"}],
    }


def test_the_list_of_models_is_asked_for_with_the_same_headers(now: datetime) -> None:
    async def act(http: httpx2.AsyncClient, provider: Provider) -> None:
        await probe(http, provider=provider, secret=SECRET, now=lambda: now)

    error, request = at_anthropic(reply(200, {"data": [], "has_more": False, "first_id": None, "last_id": None}), act)
    assert error is None
    assert request["line"] == "GET /v1/models HTTP/1.1"
    assert (request["headers"]["x-api-key"], request["headers"]["anthropic-version"]) == (SECRET, "2023-06-01")


@pytest.mark.parametrize(
    ("kind", "message", "meant"),
    [
        ("invalid_request_error", "messages: at least one message is required", errors.BadRequestError),
        ("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", errors.RequestTooLargeError),
        ("invalid_request_error", "`temperature` is deprecated for this model.", errors.ContentRefusedError),
        ("authentication_error", "invalid x-api-key", errors.AuthenticationFailedError),
        ("billing_error", "There is an issue with your billing.", errors.BillingError),
        ("permission_error", "Your API key may not use the resource.", errors.AuthenticationFailedError),
        ("not_found_error", "model: claude-3-opus", errors.ModelGoneError),
        ("conflict_error", "It was changed meanwhile.", errors.ProviderFailedError),
        ("request_too_large", "Request exceeds the maximum size", errors.RequestTooLargeError),
        ("rate_limit_error", "This request would exceed your rate limit.", errors.WindowSpentError),
        ("api_error", "Internal server error", errors.ProviderFailedError),
        ("timeout_error", "Request timeout", errors.ProviderFailedError),
        ("overloaded_error", "Overloaded", errors.ProviderOverloadedError),
        ("new_error", "Never heard of.", errors.ProviderFailedError),
    ],
)
def test_an_error_with_a_200_means_what_it_means_elsewhere(
    kind: str, message: str, meant: type[errors.AttemptError], now: datetime
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_x"}
    error, _ = at_anthropic(reply(200, body), asking(now))
    assert type(error) is meant
    assert message in str(error)


def test_a_refusal_that_left_nothing_sends_the_job_to_another_model(now: datetime) -> None:
    error, _ = at_anthropic(reply(200, ANSWER | {"content": [], "stop_reason": "refusal"}), asking(now))
    assert type(error) is errors.ContentRefusedError
