"""OpenAI's own client, used as its documentation says, sends what we send.

Each scenario is written twice by hand: as a user of the client would write it, and as a job.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from recording_server import Recorded, RecordingServer

from pool_client.job import Job, Message
from pool_worker.config import load_registry
from pool_worker.protocols.chat import CHAT
from pool_worker.providers.request import Call, build_call
from pool_worker.registry import Model
from pool_worker.settings import shipped_config_dir

SECRET = "sk-invented"  # noqa: S105 - invented
MODEL = "gpt-5-mini"
PICTURE = "data:image/png;base64,iVBORw0KGgo="
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": MODEL,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
}
STREAM = 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\ndata: [DONE]\n\n'

Say = Callable[[openai.OpenAI], object]


def theirs(say: Say, *, body: object) -> Recorded:
    with RecordingServer(body=body) as server:
        with openai.OpenAI(api_key=SECRET, base_url=f"{server.url}/v1", max_retries=0) as client:
            say(client)
        (request,) = server.requests
    return request


def ours(**job: Any) -> Call:
    """What we send: by the provider's row that ships."""
    provider = load_registry(shipped_config_dir(), environ={}).providers["openai"]
    asked = Job(messages=[Message(**message) for message in job.pop("messages")], **job)
    model = Model(id="gpt", provider="openai", name=MODEL)
    return build_call(CHAT, provider=provider, model=model, secret=SECRET, job=asked, max_tokens=asked.max_tokens)


def text(client: openai.OpenAI) -> object:
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello!"}])


def sampling(client: openai.OpenAI) -> object:
    return client.chat.completions.create(
        model=MODEL,
        max_completion_tokens=300,
        temperature=1.5,
        top_p=0.9,
        stop=["END"],
        seed=7,
        messages=[{"role": "user", "content": "Hello!"}],
    )


def system(client: openai.OpenAI) -> object:
    return client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "developer", "content": "You are a helpful assistant."}, {"role": "user", "content": "Hello!"}],
    )


def several_turns(client: openai.OpenAI) -> object:
    return client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello there.", "name": "ada"},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": [{"type": "text", "text": "Explain LLMs."}]},
        ],
    )


def picture(client: openai.OpenAI) -> object:
    return client.chat.completions.create(
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is in this image?"},
                    {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
                ],
            }
        ],
    )


def tools(client: openai.OpenAI) -> object:
    return client.chat.completions.create(
        model=MODEL,
        tools=[{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        messages=[
            {"role": "user", "content": "How is the weather in Zürich?"},
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Zürich"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "15 degrees"},
        ],
    )


def schema(client: openai.OpenAI) -> object:
    return client.chat.completions.create(
        model=MODEL,
        response_format={"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}},
        messages=[{"role": "user", "content": "Ada is 36."}],
    )


def stream(client: openai.OpenAI) -> object:
    return list(
        client.chat.completions.create(
            model=MODEL,
            stream=True,
            stream_options={"include_usage": True},
            messages=[{"role": "user", "content": "Hello!"}],
        )
    )


HELLO = {"role": "user", "content": "Hello!"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Zürich"}'}}

SCENARIOS: list[tuple[Say, dict[str, Any]]] = [
    (text, {"messages": [HELLO]}),
    (sampling, {"messages": [HELLO], "max_tokens": 300, "temperature": 1.5, "top_p": 0.9, "stop": ["END"], "seed": 7}),
    (system, {"messages": [{"role": "developer", "content": "You are a helpful assistant."}, HELLO]}),
    (
        several_turns,
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hello there.", "name": "ada"},
                {"role": "assistant", "content": "Hi."},
                {"role": "user", "content": [{"type": "text", "text": "Explain LLMs."}]},
            ]
        },
    ),
    (
        picture,
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is in this image?"},
                        {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
                    ],
                }
            ]
        },
    ),
    (
        tools,
        {
            "messages": [
                {"role": "user", "content": "How is the weather in Zürich?"},
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "15 degrees"},
            ],
            "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}],
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


def canonical(body: object) -> str:
    return json.dumps(body, sort_keys=True, ensure_ascii=False)


@pytest.mark.parametrize(("say", "job"), SCENARIOS, ids=lambda each: getattr(each, "__name__", ""))
def test_we_send_what_the_client_sends(say: Say, job: dict[str, Any]) -> None:
    sent, call = theirs(say, body=STREAM if say is stream else ANSWER), ours(**job)
    assert canonical(json.loads(call.content)) == canonical(sent.body)
    assert (sent.method, call.url) == ("POST", f"https://api.openai.com{sent.path}")
    assert call.headers["Authorization"] == sent.headers["authorization"]
    assert call.headers["Content-Type"] == sent.headers["content-type"]
