"""One attempt against a real server: what is sent, and what each kind of reply becomes."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx2
import pytest
from scripted_provider import Script, always, reply, serve

from pool_client.job import Job, Message, Usage
from pool_worker import errors
from pool_worker.observed import Observed
from pool_worker.protocols.chat import CHAT
from pool_worker.providers.attempt import Success, attempt
from pool_worker.providers.body import MAX_BODY_BYTES
from pool_worker.providers.http import open_http
from pool_worker.providers.request import build_call
from pool_worker.registry import Model, Period, Provider, Unit

pytestmark = pytest.mark.anyio
SECRET = "gsk_planted-secret-0123456789abcdef"  # noqa: S105 - invented
MODEL = Model(id="m", provider="groq", name="openai/gpt-oss-20b")
JOB = Job(messages=[Message(role="user", content="Why?")], metadata={"private": "not for providers"})
ANSWER: dict[str, Any] = {
    "model": "openai/gpt-oss-20b",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Because ☃."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
}
LIMITS = {"x-ratelimit-limit-tokens": "8000", "x-ratelimit-remaining-tokens": "7985"}
SEEN = (Observed(Unit.TOKENS, Period.MINUTE, 8000, 7985),)


@pytest.fixture
def ask(http: httpx2.AsyncClient, now: datetime) -> Callable[..., Any]:
    """Attempts the job at an address."""

    async def ask(url: str, *, job: Job = JOB, timeout_s: float = 5.0, secret: str = SECRET, **provider: Any) -> Success:
        row = replace(Provider(id="groq", base_url=url), **provider)
        return await attempt(
            http, provider=row, model=MODEL, secret=secret, job=job, max_tokens=64, timeout_s=timeout_s, now=lambda: now
        )

    return ask


async def failure_of(ask: Callable[..., Any], script: Script, **arguments: Any) -> errors.AttemptError:
    async with serve(script) as provider:
        with pytest.raises(errors.AttemptError) as caught:
            await ask(provider.url, **arguments)
        assert len(provider.requests) == 1
    _assert_no_secret(caught.value)
    return caught.value


def _assert_no_secret(error: BaseException) -> None:
    told = "".join(traceback.format_exception(error))
    link: BaseException | None = error
    while link is not None:
        told += f"{link!r} {vars(link)!r}"
        assert not isinstance(link, httpx2.HTTPError), "it carries the request, and so the key"
        link = link.__cause__ or link.__context__
    assert SECRET not in told
    assert SECRET[:14] not in told


async def test_an_answer_is_read_and_the_limits_noted(ask: Callable[..., Any]) -> None:
    async with serve(always(reply(200, ANSWER, headers=LIMITS))) as provider:
        success = await ask(provider.url)
    assert success.status_code == 200
    assert success.observed == SEEN
    assert success.answer.content == "Because ☃."
    assert success.answer.usage == Usage(input_tokens=11, output_tokens=4)


async def test_what_is_sent(ask: Callable[..., Any]) -> None:
    async with serve(always(reply(200, ANSWER))) as provider:
        await ask(provider.url, headers={"X-Title": "pool"})
        sent = provider.requests[0]
    assert sent["line"] == "POST /v1/chat/completions HTTP/1.1"
    assert sent["headers"]["authorization"] == f"Bearer {SECRET}"
    assert sent["headers"]["user-agent"].startswith("model-pool/")
    assert sent["headers"]["x-title"] == "pool"
    assert sent["headers"]["x-job-id"] == JOB.id
    assert sent["body"] == {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 64}


async def test_quirks_of_a_row(ask: Callable[..., Any]) -> None:
    job = JOB.model_copy(update={"seed": 7, "temperature": 0.5})
    extra = {"rename_fields": {"seed": "random_seed"}, "drop_fields": ["temperature"]}
    async with serve(always(reply(200, ANSWER))) as provider:
        await ask(f"{provider.url}/", job=job, extra=extra, api_key_header="x-goog-api-key")
        await ask(provider.url, needs_key=False)
        quirky, keyless = provider.requests
    assert quirky["line"] == "POST /v1/chat/completions HTTP/1.1"
    assert quirky["headers"]["x-goog-api-key"] == SECRET
    assert "authorization" not in quirky["headers"]
    assert quirky["body"]["random_seed"] == 7
    assert not {"seed", "temperature"} & quirky["body"].keys()
    assert SECRET not in str(keyless["headers"])


async def test_connections_are_kept_and_cookies_are_not(ask: Callable[..., Any]) -> None:
    async with serve(always(reply(200, ANSWER, headers={"Set-Cookie": "account=1; Path=/"}))) as provider:
        for _ in range(3):
            await ask(provider.url)
        assert provider.connections == 1
        assert all("cookie" not in request["headers"] for request in provider.requests)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with open_http(concurrency=1) as client, serve(always(reply(200, ANSWER))) as server:
        row = Provider(id="groq", base_url=server.url)
        await attempt(client, provider=row, model=MODEL, secret=SECRET, job=JOB, max_tokens=None, timeout_s=5, now=lambda: now)


async def test_a_refusal_tells_whom_to_blame_and_the_limits(ask: Callable[..., Any]) -> None:
    body = {"error": {"message": f"Invalid API Key {SECRET}", "code": "invalid_api_key"}}
    error = await failure_of(ask, always(reply(401, body, headers=LIMITS)))
    assert isinstance(error, errors.AuthenticationFailedError)
    assert error.reason == "groq answered 401: Invalid API Key [key]"
    assert error.observed == SEEN


async def test_an_error_inside_a_200_is_a_refusal(ask: Callable[..., Any]) -> None:
    body = {"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": "rate-limited upstream"}}}
    error = await failure_of(ask, always(reply(200, body)), id="openrouter")
    assert isinstance(error, errors.ModelOverloadedError)
    assert error.status_code == 429


async def test_an_error_inside_a_choice_is_a_refusal(ask: Callable[..., Any]) -> None:
    body = {
        "choices": [{"message": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "Upstream broke"}}]
    }
    error = await failure_of(ask, always(reply(200, body)), id="openrouter")
    assert isinstance(error, errors.ModelOverloadedError)
    assert error.status_code == 502


async def test_an_answer_that_the_filter_emptied(ask: Callable[..., Any]) -> None:
    body = {**ANSWER, "choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}
    error = await failure_of(ask, always(reply(200, body, headers=LIMITS)))
    assert isinstance(error, errors.ContentRefusedError)
    assert error.charged
    assert error.observed == SEEN


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!doctype html><title>Sign in</title>", "the answer is a web page, not JSON"),
        (b"", "the answer is empty"),
        (b'{"choices": [', "the answer is not JSON (13 bytes)"),
        (b'{"choices": NaN}', "the answer is not JSON (16 bytes)"),
        (b'{"a": "\xff\xfe"}', "the answer is not JSON (11 bytes)"),
        (b"[" * 100_000, "the answer is not JSON (100000 bytes)"),
        (b'{"id": 1}', "the answer's choices is missing, not a list with at least one choice"),
    ],
    ids=["html", "empty", "half", "nan", "bad utf-8", "deep", "no choices"],
)
async def test_a_200_that_is_no_answer(ask: Callable[..., Any], body: bytes, reason: str) -> None:
    error = await failure_of(ask, always(reply(200, body, headers=LIMITS)))
    assert isinstance(error, errors.BadAnswerError)
    assert error.reason == reason
    assert error.status_code == 200
    assert error.charged
    assert error.observed == SEEN


async def test_a_body_cut_off(ask: Callable[..., Any]) -> None:
    error = await failure_of(ask, always(reply(200, ANSWER)[:-20], then_close=True))
    assert isinstance(error, errors.BadAnswerError)
    assert "cut off" in error.reason
    assert error.charged


async def test_a_refusal_whose_body_is_cut_off_still_counts_by_its_status(ask: Callable[..., Any]) -> None:
    error = await failure_of(ask, always(reply(429, {"error": "x" * 50}, headers={"Retry-After": "9"})[:-20], then_close=True))
    assert isinstance(error, errors.WindowSpentError)
    assert error.retry_at is not None


async def test_a_bomb_costs_no_more_than_the_limit(ask: Callable[..., Any]) -> None:
    bomb = gzip.compress(b" " * (2 * MAX_BODY_BYTES), compresslevel=9)
    error = await failure_of(ask, always(reply(200, bomb, headers={"Content-Encoding": "gzip"})))
    assert isinstance(error, errors.BadAnswerError)
    assert error.reason == "the answer is larger than 8 MiB"


async def test_broken_compression(ask: Callable[..., Any]) -> None:
    error = await failure_of(ask, always(reply(200, b"not gzip at all", headers={"Content-Encoding": "gzip"})))
    assert isinstance(error, errors.BadAnswerError)
    assert "compression" in error.reason


@pytest.mark.parametrize("garbage", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: no\r\n\r\n"])
async def test_no_http_at_all(ask: Callable[..., Any], garbage: bytes) -> None:
    error = await failure_of(ask, always(garbage, then_close=True))
    assert isinstance(error, errors.ProviderFailedError)
    assert error.charged


async def test_silence_ends_at_the_time_out(ask: Callable[..., Any]) -> None:
    async def hang(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    error = await failure_of(ask, hang, timeout_s=0.05)
    assert isinstance(error, errors.ProviderFailedError)
    assert error.reason == "no answer within 0.05 s"
    assert error.charged


async def test_dripping_does_not_outlast_the_time_out(ask: Callable[..., Any]) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.005)

    error = await failure_of(ask, drip, timeout_s=0.1)
    assert isinstance(error, errors.ProviderFailedError)
    assert error.charged


async def test_nobody_listens(ask: Callable[..., Any]) -> None:
    async with serve(always(b"")) as provider:
        url = provider.url
    with pytest.raises(errors.ProviderFailedError, match="not connected") as caught:
        await ask(url)
    assert not caught.value.charged
    _assert_no_secret(caught.value)


async def test_a_connection_that_never_comes_was_not_charged(ask: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(4):  # the kernel drops what does not fit into the backlog
            client = waiting.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(full.getsockname())
        with pytest.raises(errors.ProviderFailedError, match=r"no connection within 0\.3 s") as caught:
            await ask(f"http://127.0.0.1:{full.getsockname()[1]}/v1", timeout_s=0.6)
    assert not caught.value.charged
    _assert_no_secret(caught.value)


async def test_a_redirect_is_not_followed(ask: Callable[..., Any]) -> None:
    error = await failure_of(ask, always(reply(307, b"", headers={"Location": "/v1/elsewhere"})))
    assert isinstance(error, errors.ProviderFailedError)


@pytest.mark.parametrize("secret", ["", "näh", "two\r\nX-Admin: 1"])
async def test_a_key_that_no_header_can_carry_is_not_sent(ask: Callable[..., Any], secret: str) -> None:
    with pytest.raises(errors.AuthenticationFailedError):
        await ask("http://127.0.0.1:9/v1", secret=secret)


async def test_mistakes_of_a_row(ask: Callable[..., Any]) -> None:
    with pytest.raises(errors.ProviderFailedError, match="speaks telex"):
        await ask("http://127.0.0.1:9/v1", protocol="telex")
    with pytest.raises(errors.BadRequestError, match="JSON"):
        await ask("http://127.0.0.1:9/v1", job=JOB.model_copy(update={"seed": 2**70}))
    with pytest.raises(errors.ProviderFailedError) as caught:
        await ask("nowhere at all/v1")
    assert not caught.value.charged


async def test_a_strangers_server_does_not_learn_the_job() -> None:
    for base_url, extra, told in [("https://api.x.ai/v1", {}, False), ("https://api.x.ai/v1", {"send_job_id": True}, True)]:
        row = Provider(id="x", base_url=base_url, extra=extra)
        call = build_call(CHAT, provider=row, model=MODEL, secret=SECRET, job=JOB, max_tokens=None)
        assert ("X-Job-Id" in call.headers) is told
        assert SECRET not in repr(call)
        assert "not for providers" not in call.content.decode()
