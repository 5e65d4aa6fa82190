"""Anthropic's own client, used as its documentation says, sends what we send.

Each scenario is written twice by hand: as a user of the client would write it, and as a job.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anthropic
import pytest
from anthropic_answers import ANSWER, STREAM
from recording_server import Recorded, RecordingServer

from pool_client.job import Job, Message
from pool_worker.config import load_registry
from pool_worker.protocols.anthropic import ANTHROPIC
from pool_worker.providers.request import Call, build_call
from pool_worker.registry import Model
from pool_worker.settings import shipped_config_dir

SECRET = "sk-ant-invented"  # noqa: S105 - invented
MODEL = "claude-haiku-4-5"
OUR_VERSION = "2023-06-01"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Name of the city"}},
    "required": ["city"],
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
Say = Callable[[anthropic.Anthropic], object]


def client_of(url: str, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=SECRET, base_url=url, max_retries=0, **options)


def theirs(say: Say, *, body: object = ANSWER) -> Recorded:
    """What the client sends, told to speak the version of the API that we speak."""
    with RecordingServer(body=body) as server:
        with client_of(server.url, default_headers={"anthropic-version": OUR_VERSION}) as client:
            say(client)
        (request,) = server.requests
    return request


def ours(max_tokens: int | None = 1024, *, model: Model | None = None, **job: Any) -> Call:
    """What we send: by the provider's row that ships."""
    provider = load_registry(shipped_config_dir(), environ={}).providers["anthropic"]
    messages = [Message(**message) for message in job.pop("messages")]
    asked = Job(messages=messages, max_tokens=max_tokens, **job)
    model = model or Model(id="claude", provider="anthropic", name=MODEL)
    return build_call(ANTHROPIC, provider=provider, model=model, secret=SECRET, job=asked, max_tokens=max_tokens)


def canonical(body: object) -> str:
    return json.dumps(body, sort_keys=True, ensure_ascii=False)


def text(client: anthropic.Anthropic) -> object:
    return client.messages.create(model=MODEL, max_tokens=1024, messages=[{"role": "user", "content": "Hello, Claude"}])


def sampling(client: anthropic.Anthropic) -> object:
    return client.messages.create(
        model=MODEL,
        max_tokens=1024,
        stop_sequences=["END", "\n\nHuman:"],
        messages=[{"role": "user", "content": "Hello, Claude"}],
        extra_body={"temperature": 0.5, "top_p": 0.9},  # no arguments of the client any more, but of the API
    )


def system(client: anthropic.Anthropic) -> object:
    return client.messages.create(
        model=MODEL,
        max_tokens=1024,
        system="You answer in rhymes.",
        messages=[{"role": "user", "content": "Hello, Claude"}],
    )


def two_systems(client: anthropic.Anthropic) -> object:
    return client.messages.create(
        model=MODEL,
        max_tokens=1024,
        system=[{"type": "text", "text": "You answer in rhymes."}, {"type": "text", "text": "And in German."}],
        messages=[{"role": "user", "content": "Hello, Claude"}],
    )


def several_turns(client: anthropic.Anthropic) -> object:
    return client.messages.create(
        model=MODEL,
        max_tokens=1024,
        messages=[
            {"role": "user", "content": "Hello there."},
            {"role": "assistant", "content": "Hi, I'm Claude. How can I help you?"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "Explain LLMs."}, {"type": "text", "text": "In plain English."}],
            },
        ],
    )


def pictures(client: anthropic.Anthropic) -> object:
    return client.messages.create(
        model=MODEL,
        max_tokens=1024,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                    {"type": "image", "source": {"type": "url", "url": "https://example.com/ant.jpg"}},
                    {"type": "text", "text": "Which is larger?"},
                ],
            }
        ],
    )


def tools(client: anthropic.Anthropic) -> object:
    return client.messages.create(
        model=MODEL,
        max_tokens=1024,
        tools=[
            {"name": "get_weather", "description": "The weather in a city", "input_schema": WEATHER},
            {"name": "get_time", "description": "The time", "input_schema": {"type": "object", "properties": {}}},
        ],
        tool_choice={"type": "any"},
        messages=[{"role": "user", "content": "How is the weather in Zürich?"}],
    )


def results(client: anthropic.Anthropic) -> object:
    return client.messages.create(
        model=MODEL,
        max_tokens=1024,
        tools=[{"name": "get_weather", "description": "The weather in a city", "input_schema": WEATHER}],
        tool_choice={"type": "tool", "name": "get_weather"},
        messages=[
            {"role": "user", "content": "Zürich or Bern?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Zürich"}},
                    {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {"city": "Bern"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "15 degrees"},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "16 degrees"}]},
                    {"type": "text", "text": "In Fahrenheit, please."},
                ],
            },
        ],
    )


def schema(client: anthropic.Anthropic) -> object:
    return client.messages.create(
        model=MODEL,
        max_tokens=1024,
        output_config={"format": {"type": "json_schema", "schema": PERSON}},
        messages=[{"role": "user", "content": "Ada is 36."}],
    )


def stream(client: anthropic.Anthropic) -> object:
    return list(
        client.messages.create(model=MODEL, max_tokens=1024, stream=True, messages=[{"role": "user", "content": "Hello, Claude"}])
    )


HELLO = {"role": "user", "content": "Hello, Claude"}
GET_WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather in a city", "parameters": WEATHER},
}


def weather_call(number: int, arguments: str) -> dict[str, Any]:
    return {"id": f"toolu_{number}", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


SCENARIOS: list[tuple[Say, dict[str, Any]]] = [
    (text, {"messages": [HELLO]}),
    (sampling, {"messages": [HELLO], "temperature": 0.5, "top_p": 0.9, "stop": ["END", "\n\nHuman:"]}),
    (system, {"messages": [{"role": "system", "content": "You answer in rhymes."}, HELLO]}),
    (
        two_systems,
        {
            "messages": [
                {"role": "system", "content": "You answer in rhymes."},
                HELLO,
                {"role": "developer", "content": "And in German."},
            ]
        },
    ),
    (
        several_turns,
        {
            "messages": [
                {"role": "user", "content": "Hello there."},
                {"role": "assistant", "content": "Hi, I'm Claude. How can I help you?"},
                {"role": "user", "content": "Explain LLMs."},
                {"role": "user", "content": "In plain English."},
            ]
        },
    ),
    (
        pictures,
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                        {"type": "image_url", "image_url": {"url": "https://example.com/ant.jpg", "detail": "auto"}},
                        {"type": "text", "text": "Which is larger?"},
                    ],
                }
            ]
        },
    ),
    (
        tools,
        {
            "messages": [{"role": "user", "content": "How is the weather in Zürich?"}],
            "tools": [GET_WEATHER, {"type": "function", "function": {"name": "get_time", "description": "The time"}}],
            "tool_choice": "required",
        },
    ),
    (
        results,
        {
            "messages": [
                {"role": "user", "content": "Zürich or Bern?"},
                {
                    "role": "assistant",
                    "content": "I look.",
                    "tool_calls": [weather_call(1, '{"city": "Zürich"}'), weather_call(2, '{"city": "Bern"}')],
                },
                {"role": "tool", "tool_call_id": "toolu_1", "content": "15 degrees", "name": "get_weather"},
                {"role": "tool", "tool_call_id": "toolu_2", "content": [{"type": "text", "text": "16 degrees"}]},
                {"role": "user", "content": "In Fahrenheit, please."},
            ],
            "tools": [GET_WEATHER],
            "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        },
    ),
    (
        schema,
        {
            "messages": [{"role": "user", "content": "Ada is 36."}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}},
        },
    ),
    (stream, {"messages": [HELLO], "stream": True}),
]


@pytest.mark.parametrize(("say", "job"), SCENARIOS, ids=lambda each: getattr(each, "__name__", ""))
def test_we_send_what_the_client_sends(say: Say, job: dict[str, Any]) -> None:
    sent, call = theirs(say, body=STREAM if say is stream else ANSWER), ours(**job)
    assert canonical(json.loads(call.content)) == canonical(sent.body)
    assert (sent.method, call.url) == ("POST", f"https://api.anthropic.com{sent.path}")
    assert call.headers["anthropic-version"] == sent.headers["anthropic-version"]
    assert call.headers["Content-Type"] == sent.headers["content-type"]


def test_two_headers_are_others_than_the_clients_own() -> None:
    """On purpose: the client's own version refuses `temperature` everywhere; the API takes the key in either header.

    Once this fails, the client has moved on: read what changed, and decide anew.
    """
    with RecordingServer(body=ANSWER) as server:
        with client_of(server.url) as client:
            text(client)
        (sent,) = server.requests
    assert (sent.headers["anthropic-version"], sent.headers["authorization"]) == ("2026-10-21", f"Bearer {SECRET}")
    assert "x-api-key" not in sent.headers
    assert ours(messages=[HELLO]).headers == {
        "Content-Type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-api-key": SECRET,
    }


def test_an_answer_without_a_bound_gets_the_models_or_a_default() -> None:
    def sent(model: Model) -> int:
        return json.loads(ours(max_tokens=None, model=model, messages=[HELLO]).content)["max_tokens"]

    model = Model(id="claude", provider="anthropic", name=MODEL)
    assert sent(model) == 4096
    assert sent(replace(model, max_output_tokens=64_000)) == 64_000
