"""Our requests are those that Cohere's own client makes, byte for byte, and its answers say the same to both.

Each scenario is written twice: as a user of the client would write it, and as a job.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import cohere
import pytest
from cohere import (
    AssistantChatMessageV2,
    JsonObjectResponseFormatV2,
    SystemChatMessageV2,
    ToolCallV2,
    ToolCallV2Function,
    ToolChatMessageV2,
    ToolV2,
    ToolV2Function,
    UserChatMessageV2,
)
from recording_server import RecordingServer

from pool_client.job import Job, Message
from pool_worker.protocols.cohere import COHERE
from pool_worker.providers.request import build_call
from pool_worker.registry import Model, Provider

KEY = "a-key-of-nobody"
MODEL = "command-a-03-2025"
ANSWER: dict[str, Any] = {
    "id": "c14c80c3-18eb-4519-9460-6c92edd8cfb4",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "Good "}, {"type": "text", "text": "day."}]},
    "usage": {
        "billed_units": {"input_tokens": 5.0, "output_tokens": 2.0},
        "tokens": {"input_tokens": 71.0, "output_tokens": 2.0},
    },
}
EVENTS: list[dict[str, Any]] = [
    {
        "id": "29f14a5a",
        "type": "message-start",
        "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}},
    },
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Good "}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "day."}}}},
    {"type": "content-end", "index": 0},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": ANSWER["usage"]}},
]
STREAM = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in EVENTS)
PICTURE = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"]}
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def user(text: str) -> Message:
    return Message(role="user", content=text)


def text(client: cohere.ClientV2) -> None:
    client.chat(model=MODEL, messages=[{"role": "user", "content": "Hello, Cohere!"}])


def system(client: cohere.ClientV2) -> None:
    client.chat(
        model=MODEL,
        messages=[SystemChatMessageV2(content="You are terse."), UserChatMessageV2(content="Who are you?")],
        max_tokens=300,
        temperature=0.3,
        p=0.75,
        seed=7,
        stop_sequences=["END", "###"],
    )


def several_turns(client: cohere.ClientV2) -> None:
    client.chat(
        model=MODEL,
        messages=[
            {"role": "user", "content": "Name a colour."},
            {"role": "assistant", "content": "Blue. Жёлтый, 青."},
            {"role": "user", "content": [{"type": "text", "text": "Another one."}]},
        ],
    )


def picture(client: cohere.ClientV2) -> None:
    client.chat(
        model="command-a-vision-07-2025",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
                ],
            }
        ],
    )


def tools(client: cohere.ClientV2) -> None:
    weather = ToolV2(function=ToolV2Function(name="weather", description="The weather now.", parameters=PLACE))
    call = ToolCallV2(id="weather_1", function=ToolCallV2Function(name="weather", arguments='{"city":"Oslo"}'))
    client.chat(
        model=MODEL,
        messages=[
            UserChatMessageV2(content="How is the weather in Oslo?"),
            AssistantChatMessageV2(tool_calls=[call], tool_plan="I will look."),
            ToolChatMessageV2(tool_call_id="weather_1", content='{"celsius": -3}'),
        ],
        tools=[weather],
        tool_choice="REQUIRED",
    )


def calls_without_a_plan(client: cohere.ClientV2) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "roll", "arguments": "{}"}}
    client.chat(
        model=MODEL,
        messages=[
            {"role": "user", "content": "Roll the dice."},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "6"}]},
        ],
        tools=[{"type": "function", "function": {"name": "roll", "parameters": {"type": "object", "properties": {}}}}],
        strict_tools=True,
        tool_choice="NONE",
    )


def schema(client: cohere.ClientV2) -> None:
    client.chat(
        model=MODEL,
        messages=[{"role": "user", "content": "Generate a JSON of a person."}],
        response_format=JsonObjectResponseFormatV2(json_schema=SCHEMA),
    )


def json_object(client: cohere.ClientV2) -> None:
    client.chat(
        model=MODEL,
        messages=[{"role": "user", "content": "Generate a JSON of a person."}],
        response_format={"type": "json_object"},
    )


def stream(client: cohere.ClientV2) -> None:
    list(client.chat_stream(model=MODEL, messages=[{"role": "user", "content": "Hello, Cohere!"}], max_tokens=100))


ROLL_CALL = {"id": "c1", "type": "function", "function": {"name": "roll", "arguments": "{}"}, "index": 0}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "The weather now.", "parameters": PLACE}}
WEATHER_CALL = {"id": "weather_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}

SCENARIOS: list[tuple[Callable[[cohere.ClientV2], None], Job]] = [
    (text, Job(model=MODEL, messages=[user("Hello, Cohere!")], metadata={"ticket": 1})),
    (
        system,
        Job(
            model=MODEL,
            messages=[Message(role="developer", content="You are terse."), user("Who are you?")],
            max_tokens=300,
            temperature=0.3,
            top_p=0.75,
            seed=7,
            stop=["END", "###"],
        ),
    ),
    (
        several_turns,
        Job(
            model=MODEL,
            messages=[
                user("Name a colour."),
                Message(role="assistant", content="Blue. Жёлтый, 青."),
                Message(role="user", content=[{"type": "text", "text": "Another one."}]),
            ],
        ),
    ),
    (
        picture,
        Job(
            model="command-a-vision-07-2025",
            messages=[
                Message(
                    role="user",
                    content=[
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
                    ],
                )
            ],
        ),
    ),
    (
        tools,
        Job(
            model=MODEL,
            messages=[
                user("How is the weather in Oslo?"),
                Message(role="assistant", content="I will look.", tool_calls=[WEATHER_CALL]),
                Message(role="tool", tool_call_id="weather_1", content='{"celsius": -3}'),
            ],
            tools=[WEATHER],
            tool_choice="required",
        ),
    ),
    (
        calls_without_a_plan,
        Job(
            model=MODEL,
            messages=[
                user("Roll the dice."),
                Message(role="assistant", content="", tool_calls=[ROLL_CALL]),
                Message(role="tool", tool_call_id="c1", content=[{"type": "text", "text": "6"}]),
            ],
            tools=[{"type": "function", "function": {"name": "roll", "strict": True}}],
            tool_choice="none",
        ),
    ),
    (
        schema,
        Job(
            model=MODEL,
            messages=[user("Generate a JSON of a person.")],
            response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}},
        ),
    ),
    (
        json_object,
        Job(model=MODEL, messages=[user("Generate a JSON of a person.")], response_format={"type": "json_object"}),
    ),
    (stream, Job(model=MODEL, messages=[user("Hello, Cohere!")], max_tokens=100, stream=True)),
]


@pytest.mark.parametrize(("as_user", "job"), SCENARIOS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_job_becomes_the_request_that_the_client_makes(as_user: Callable[[cohere.ClientV2], None], job: Job) -> None:
    with RecordingServer(body=STREAM if job.stream else ANSWER) as recorder:
        with cohere.ClientV2(api_key=KEY, base_url=recorder.url) as client:
            as_user(client)
        provider = Provider(id="cohere", base_url=f"{recorder.url}/v2", protocol="cohere")
    model = Model(id="m", provider="cohere", name=job.model or "")
    call = build_call(COHERE, provider=provider, model=model, secret=KEY, job=job, max_tokens=job.max_tokens)
    (theirs,) = recorder.requests
    assert (urlsplit(call.url).path, call.headers["Authorization"]) == (theirs.path, theirs.headers["authorization"])
    assert json.loads(call.content) == theirs.body


def test_an_answer_says_the_same_to_both() -> None:
    with RecordingServer(body=ANSWER) as recorder, cohere.ClientV2(api_key=KEY, base_url=recorder.url) as client:
        theirs = client.chat(model=MODEL, messages=[])
    ours = COHERE.parse_answer(ANSWER)
    assert ours.content == "".join(part.text for part in theirs.message.content) == "Good day."
    assert ours.usage.input_tokens == theirs.usage.tokens.input_tokens == 71


def test_a_stream_says_the_same_to_both() -> None:
    with RecordingServer(body=STREAM) as recorder, cohere.ClientV2(api_key=KEY, base_url=recorder.url) as client:
        theirs = [event for event in client.chat_stream(model=MODEL, messages=[]) if event.type == "content-delta"]
    ours = COHERE.open_stream()
    texts = [text for event in EVENTS if (text := ours.add(event))]
    assert texts == [event.delta.message.content.text for event in theirs] == ["Good ", "day."]
    assert ours.answer() == COHERE.parse_answer(ANSWER)
