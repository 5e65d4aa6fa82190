"""What we send to Gemini is what Google's own client sends, byte for byte, for the same conversation written by hand in both."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google import genai
from google.genai import types
from recording_server import RecordingServer

from pool_client.job import Job, Message
from pool_worker.protocols import PROTOCOLS
from pool_worker.providers.request import build_call
from pool_worker.registry import Model, Provider

KEY = "AIza-invented"
MODEL = "gemini-3.5-flash"
SQUARE = bytes.fromhex("89504e470d0a1a0a") + bytes(range(240, 256)) * 3  # its base64 has + and /
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where"}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
SIGNATURE = b"an opaque thought signature"
WEATHER = types.FunctionDeclaration(name="weather", description="The weather to come", parameters_json_schema=SCHEMA)
OUR_WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather to come", "parameters": SCHEMA},
}

ANSWER = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Yes."}]}, "finishReason": "STOP"}]}


@pytest.fixture(scope="module")
def recorder() -> Iterator[RecordingServer]:
    with RecordingServer(body=ANSWER, streamed=f"data: {json.dumps(ANSWER)}\r\n\r\n") as server:
        yield server


@pytest.fixture(scope="module")
def client(recorder: RecordingServer) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=recorder.url, api_version="v1beta")  # where previews and the "-latest" names are too
    with genai.Client(api_key=KEY, http_options=options) as client:
        yield client


def assert_same(recorder: RecordingServer, job: Job, *, max_tokens: int | None = None, model: str = MODEL) -> None:
    """That the pool's call for the job is the last one of the client."""
    theirs = recorder.requests.pop()
    provider = Provider(id="gemini", base_url=f"{recorder.url}/v1beta", protocol="gemini", api_key_header="x-goog-api-key")
    call = build_call(
        PROTOCOLS["gemini"],
        provider=provider,
        model=Model(id="m", provider="gemini", name=model),
        secret=KEY,
        job=job,
        max_tokens=max_tokens,
    )
    key = call.headers["x-goog-api-key"]
    assert (call.url.removeprefix(recorder.url), key) == (theirs.path, theirs.headers["x-goog-api-key"])
    assert canonical(json.loads(call.content)) == canonical(theirs.body)


def canonical(body: dict[str, Any]) -> bytes:
    """As text of one form. An empty generationConfig, which the client adds to any other setting, says nothing."""
    said = {name: value for name, value in body.items() if (name, value) != ("generationConfig", {})}
    return json.dumps(one_spelling(said), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


SPELLINGS = {"mime_type": "mimeType", "file_uri": "fileUri", "parameters_json_schema": "parametersJsonSchema"}
"""Fields that the client writes as they are called inside Google, and we as in the API's documents: ProtoJSON reads both."""


def one_spelling(value: Any) -> Any:
    if isinstance(value, list):
        return [one_spelling(each) for each in value]
    if isinstance(value, dict):
        return {SPELLINGS.get(name, name): one_spelling(each) for name, each in value.items()}
    return value


def content(role: str, *parts: types.Part) -> types.Content:
    return types.Content(role=role, parts=list(parts))


def said(text: str, role: Any = "user") -> Message:
    return Message(role=role, content=text)


def test_a_text(client: genai.Client, recorder: RecordingServer) -> None:
    client.models.generate_content(model=MODEL, contents="Why is the sky blue? ☃")
    assert_same(recorder, Job(messages=[said("Why is the sky blue? ☃")]))


def test_a_model_named_with_its_folder(client: genai.Client, recorder: RecordingServer) -> None:
    client.models.generate_content(model="models/gemini-2.5-flash", contents="Hi")
    assert_same(recorder, Job(messages=[said("Hi")]), model="models/gemini-2.5-flash")


def test_an_instruction_and_all_settings(client: genai.Client, recorder: RecordingServer) -> None:
    config = types.GenerateContentConfig(
        system_instruction="Answer in one word.",
        temperature=0.2,
        top_p=0.9,
        max_output_tokens=100,
        stop_sequences=["END", "\n\n"],
        seed=7,
    )
    client.models.generate_content(model=MODEL, contents="Why?", config=config)
    job = Job(
        messages=[said("Answer in one word.", "system"), said("Why?")], temperature=0.2, top_p=0.9, stop=["END", "\n\n"], seed=7
    )
    assert_same(recorder, job, max_tokens=100)


def test_two_instructions(client: genai.Client, recorder: RecordingServer) -> None:
    config = types.GenerateContentConfig(system_instruction=["Be brief.", "Be kind."])
    client.models.generate_content(model=MODEL, contents="Why?", config=config)
    assert_same(recorder, Job(messages=[said("Be brief.", "system"), said("Be kind.", "developer"), said("Why?")]))


def test_a_conversation(client: genai.Client, recorder: RecordingServer) -> None:
    contents = [
        content("user", types.Part.from_text(text="Hi")),
        content("model", types.Part.from_text(text="Hello!")),
        content("user", types.Part.from_text(text="Who are you?")),
    ]
    client.models.generate_content(model=MODEL, contents=contents)
    assert_same(recorder, Job(messages=[said("Hi"), said("Hello!", "assistant"), said("Who are you?")]))


def test_a_picture_inside(client: genai.Client, recorder: RecordingServer) -> None:
    picture = types.Part.from_bytes(data=SQUARE, mime_type="image/png")
    client.models.generate_content(model=MODEL, contents=["What is this?", picture])
    url = f"data:image/png;base64,{base64.b64encode(SQUARE).decode()}"
    assert_same(recorder, Job(messages=[asked_about(url)]))


@pytest.mark.parametrize("url", ["https://example.com/cats/tom.jpg", "http://example.com/a.webp", "gs://bucket/sign.PNG"])
def test_a_picture_elsewhere(client: genai.Client, recorder: RecordingServer, url: str) -> None:
    client.models.generate_content(model=MODEL, contents=["What is this?", types.Part.from_uri(file_uri=url)])
    assert_same(recorder, Job(messages=[asked_about(url)]))


def asked_about(url: str) -> Message:
    picture = {"type": "image_url", "image_url": {"url": url}}
    return Message(role="user", content=[{"type": "text", "text": "What is this?"}, picture])


def any_of(*names: str) -> types.FunctionCallingConfig:
    return types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=list(names) or None)


@pytest.mark.parametrize(
    ("calling", "choice"),
    [
        (None, None),
        (types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.AUTO), "auto"),
        (types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.NONE), "none"),
        (any_of(), "required"),
        (any_of("weather"), {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_tools(client: genai.Client, recorder: RecordingServer, calling: Any, choice: Any) -> None:
    clock = types.FunctionDeclaration(name="clock", description="What time it is")
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[WEATHER, clock])],
        tool_config=types.ToolConfig(function_calling_config=calling) if calling else None,
    )
    client.models.generate_content(model=MODEL, contents="Will it rain?", config=config)
    our_clock = {"type": "function", "function": {"name": "clock", "description": "What time it is"}}
    assert_same(recorder, Job(messages=[said("Will it rain?")], tools=[OUR_WEATHER, our_clock], tool_choice=choice))


def our_call(call_id: str, city: str, **more: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}, **more}


def their_call(call_id: str, city: str, signature: bytes | None = None) -> types.Part:
    call = types.FunctionCall(id=call_id, name="weather", args={"city": city})
    return types.Part(function_call=call, thought_signature=signature)


def their_response(call_id: str, response: dict[str, Any]) -> types.Part:
    return types.Part(function_response=types.FunctionResponse(id=call_id, name="weather", response=response))


def test_calls_made_side_by_side_and_their_results(client: genai.Client, recorder: RecordingServer) -> None:
    contents = [
        content("user", types.Part.from_text(text="Rome or Oslo?")),
        content("model", types.Part.from_text(text="Let me see."), their_call("c1", "Rome", SIGNATURE), their_call("c2", "Oslo")),
        content("user", their_response("c1", {"rain": False, "degrees": 21.5}), their_response("c2", {"result": "snow"})),
    ]
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[WEATHER])])
    client.models.generate_content(model=MODEL, contents=contents, config=config)
    signed = {"google": {"thought_signature": base64.urlsafe_b64encode(SIGNATURE).decode()}}
    calls = [our_call("c1", "Rome", extra_content=signed), our_call("c2", "Oslo")]
    messages = [
        said("Rome or Oslo?"),
        Message(role="assistant", content="Let me see.", tool_calls=calls),
        Message(role="tool", tool_call_id="c1", content='{"rain": false, "degrees": 21.5}'),
        Message(role="tool", tool_call_id="c2", content="snow"),
    ]
    assert_same(recorder, Job(messages=messages, tools=[OUR_WEATHER]))


def test_calls_one_after_the_other_of_a_model_without_signatures(client: genai.Client, recorder: RecordingServer) -> None:
    contents = [
        content("user", types.Part.from_text(text="Rome, then Oslo?")),
        content("model", their_call("c1", "Rome")),
        content("user", their_response("c1", {"result": "sun"})),
        content("model", their_call("c2", "Oslo")),
        content("user", their_response("c2", {"result": ""})),
    ]
    client.models.generate_content(model="gemini-2.5-flash", contents=contents)
    messages = [
        said("Rome, then Oslo?"),
        Message(role="assistant", tool_calls=[our_call("c1", "Rome")]),
        Message(role="tool", tool_call_id="c1", content="sun"),
        Message(role="assistant", tool_calls=[our_call("c2", "Oslo")]),
        Message(role="tool", tool_call_id="c2"),
    ]
    assert_same(recorder, Job(messages=messages), model="gemini-2.5-flash")


def test_an_answer_in_a_schema(client: genai.Client, recorder: RecordingServer) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=SCHEMA)
    client.models.generate_content(model=MODEL, contents="Plan a trip.", config=config)
    wanted = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA, "strict": True}}
    assert_same(recorder, Job(messages=[said("Plan a trip.")], response_format=wanted))


def test_an_answer_in_json(client: genai.Client, recorder: RecordingServer) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json")
    client.models.generate_content(model=MODEL, contents="Plan a trip.", config=config)
    assert_same(recorder, Job(messages=[said("Plan a trip.")], response_format={"type": "json_object"}))


def drain(stream: Iterator[Any]) -> None:
    assert [piece.text for piece in stream] == ["Yes."]


@pytest.mark.parametrize("model", [MODEL, f"models/{MODEL}"])
def test_a_stream(client: genai.Client, recorder: RecordingServer, model: str) -> None:
    drain(client.models.generate_content_stream(model=model, contents="Why?"))
    assert_same(recorder, Job(messages=[said("Why?")], stream=True), model=model)


Spelling = Callable[[genai.Client], object]


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param(lambda client: client.models.generate_content(model=MODEL, contents=["Hi"]), id="a list of texts"),
        pytest.param(lambda client: client.chats.create(model=MODEL).send_message("Hi"), id="a chat"),
    ],
)
def test_other_spellings_are_the_same_request(client: genai.Client, recorder: RecordingServer, spelling: Spelling) -> None:
    spelling(client)
    assert_same(recorder, Job(messages=[said("Hi")]))
