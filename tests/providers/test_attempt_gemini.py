"""One attempt at Gemini's native API: where it goes, and what its peculiar answers become."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest
from scripted_provider import always, reply, serve

from pool_client.job import Job, Message, Usage
from pool_worker import errors
from pool_worker.providers.attempt import Success, attempt
from pool_worker.providers.http import open_http
from pool_worker.registry import Model, Provider

KEY = "AIza-invented-0123456789"
ANSWER = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Because."}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2},
}
OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


def asked(body: object, *, now: datetime, model: str = "gemini-3.5-flash") -> tuple[Success, dict[str, Any]]:
    """What came of it, and the request."""

    async def scenario() -> tuple[Success, dict[str, Any]]:
        async with serve(always(reply(200, body))) as server, open_http(concurrency=1) as http:
            success = await attempt(
                http,
                provider=Provider(id="gemini", base_url=server.url, protocol="gemini", api_key_header="x-goog-api-key"),
                model=Model(id="m", provider="gemini", name=model),
                secret=KEY,
                job=Job(messages=[Message(role="user", content="Why?")]),
                max_tokens=64,
                timeout_s=5,
                now=lambda: now,
            )
            (request,) = server.requests
            return success, request

    return asyncio.run(scenario())


@pytest.mark.parametrize("model", ["gemini-3.5-flash", "models/gemini-3.5-flash"])
def test_an_answer(now: datetime, model: str) -> None:
    success, request = asked(ANSWER, now=now, model=model)
    assert (success.answer.content, success.answer.usage) == ("Because.", Usage(input_tokens=4, output_tokens=2))
    assert request["line"] == "POST /v1/models/gemini-3.5-flash:generateContent HTTP/1.1"
    assert request["headers"]["x-goog-api-key"] == KEY
    assert request["body"] == {
        "contents": [{"role": "user", "parts": [{"text": "Why?"}]}],
        "generationConfig": {"maxOutputTokens": 64},
    }


@pytest.mark.parametrize(
    "body", [{"promptFeedback": {"blockReason": "SAFETY"}}, {"candidates": [{"finishReason": "PROHIBITED_CONTENT"}]}]
)
def test_what_the_filter_left_nothing_of_is_refused_and_another_model_may_answer(now: datetime, body: object) -> None:
    with pytest.raises(errors.ContentRefusedError) as caught:
        asked(body, now=now)
    assert caught.value.charged


@pytest.mark.parametrize("body", [OVERLOADED, [OVERLOADED]], ids=["object", "array"])
def test_an_error_inside_a_200_is_that_error(now: datetime, body: object) -> None:
    with pytest.raises(errors.ModelOverloadedError) as caught:
        asked(body, now=now)
    assert caught.value.status_code == 503


def test_an_answer_without_candidates_is_none(now: datetime) -> None:
    with pytest.raises(errors.BadAnswerError, match="candidates is missing"):
        asked({"usageMetadata": {}}, now=now)
