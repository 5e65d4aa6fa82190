"""Anthropic's format: what it cannot say, how answers and streams are read, and that none at all breaks the reading.

What it says is compared with Anthropic's own client in test_anthropic_as_sdk.py.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
from anthropic_answers import ANSWER, EVENTS
from hypothesis import given
from hypothesis import strategies as st

from pool_client.job import Job, Message, Usage
from pool_worker.errors import BadAnswerError, UnsupportedRequestError
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.anthropic import ANTHROPIC
from pool_worker.protocols.anthropic.answer import parse_answer
from pool_worker.protocols.anthropic.error import STATUSES, find_error
from pool_worker.protocols.anthropic.request import render_request
from pool_worker.protocols.anthropic.stream import MOST_BLOCKS, AnthropicStream

HI = Message(role="user", content="Hi")
GIF = {"url": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}
FUNCTION: dict[str, Any] = {"type": "function", "function": {"name": "look"}}


def call(arguments: object, **other: Any) -> Message:
    function = {"name": "look", "arguments": arguments}
    return Message(role="assistant", tool_calls=[{"id": "c1", "type": "function", "function": function} | other])


def rendered(*messages: Message, **job: Any) -> dict[str, Any]:
    return render_request(Job(messages=list(messages) or [HI], **job), model_name="m", max_tokens=9)


def test_only_what_the_job_sets_is_sent() -> None:
    job = Job(messages=[HI], metadata={"ticket": 1}, agent="log_analyzer")
    sent = render_request(job, model_name="m-1", max_tokens=300)
    assert sent == {"model": "m-1", "max_tokens": 300, "messages": [{"role": "user", "content": "Hi"}]}


def test_nobody_can_have_a_prompt_kept_which_would_cost_more_than_is_counted() -> None:
    keep = {"cache_control": {"type": "ephemeral"}}
    for role in ("system", "user"):
        with pytest.raises(UnsupportedRequestError, match="cache_control"):
            rendered(Message(role=role, content=[{"type": "text", "text": "Be brief."} | keep]), HI)
    with pytest.raises(UnsupportedRequestError, match="cache_control"):
        rendered(tools=[FUNCTION | keep])


def part(**fields: Any) -> tuple[Message, ...]:
    return (Message(role="user", content=[fields]),)


def picture(**fields: Any) -> tuple[Message, ...]:
    return part(type="image_url", image_url=fields)


@pytest.mark.parametrize(
    ("messages", "job", "field"),
    [
        ((), {"seed": 0}, "seed"),
        ((), {"temperature": 1.1}, "temperature"),
        ((), {"response_format": {"type": "json_object"}}, "response_format.type"),
        ((), {"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ((), {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format.json_schema.schema"),
        ((), {"tools": [FUNCTION, FUNCTION | {"defer": True}]}, "tools[1].defer"),
        ((), {"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
        ((Message(role="system", content="Be brief."),), {}, "messages"),
        ((HI, Message(role="tool", content="up")), {}, "messages[1].tool_call_id"),
        ((HI, call("{}", id=None)), {}, "messages[1].tool_calls[0].id"),
        (picture(url="ftp://x"), {}, "messages[0].content[0].image_url.url"),
        (picture(url="data:image/tiff;base64,AA=="), {}, "messages[0].content[0].image_url.url"),
        ((Message(role="assistant", content=[{"type": "image_url", "image_url": GIF}]),), {}, "messages[0].content[0].type"),
        ((Message(role="system", content=[{"type": "image_url", "image_url": GIF}]), HI), {}, "messages[0].content[0].type"),
    ],
)
def test_what_cannot_be_said_is_refused_by_the_field(messages: tuple[Message, ...], job: dict[str, Any], field: str) -> None:
    with pytest.raises(UnsupportedRequestError) as caught:
        rendered(*messages, **job)
    assert caught.value.reason.startswith(f"the provider's format cannot take the job's {field}: ")


@pytest.mark.parametrize(
    ("choice", "said"), [("auto", {"type": "auto"}), ("none", {"type": "none"}), ("required", {"type": "any"})]
)
def test_tool_choices(choice: str, said: dict[str, str]) -> None:
    assert rendered(tools=[FUNCTION], tool_choice=choice)["tool_choice"] == said


def test_plain_text_is_what_there_is_without_a_format() -> None:
    assert "output_config" not in rendered(response_format={"type": "text"})


def test_a_strict_tool_stays_strict() -> None:
    tool = {"type": "function", "function": {"name": "look", "strict": True, "parameters": {"type": "object"}}}
    assert rendered(tools=[tool])["tools"] == [{"name": "look", "strict": True, "input_schema": {"type": "object"}}]


@pytest.mark.parametrize("arguments", ["", " ", "{}", None])
def test_a_call_without_arguments_has_an_empty_object(arguments: str | None) -> None:
    (_, turn) = rendered(HI, call(arguments))["messages"]
    assert turn["content"] == [{"type": "tool_use", "id": "c1", "name": "look", "input": {}}]


def test_blank_text_beside_a_call_is_left_out() -> None:
    (_, turn) = rendered(HI, call("{}").model_copy(update={"content": "\n\n"}))["messages"]
    assert [block["type"] for block in turn["content"]] == ["tool_use"]


def test_a_tool_may_answer_nothing_or_a_picture() -> None:
    shown = Message(role="tool", tool_call_id="c2", content=[{"type": "image_url", "image_url": GIF}])
    (_, _, turn) = rendered(HI, call("{}"), Message(role="tool", tool_call_id="c1"), shown)["messages"]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODlhAQABAAAAACw="}}
    assert turn == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c1"},
            {"type": "tool_result", "tool_use_id": "c2", "content": [image]},
        ],
    }


def answer_with(*content: object, **fields: Any) -> dict[str, Any]:
    return {"content": list(content), "stop_reason": "end_turn", "usage": {"input_tokens": 9, "output_tokens": 2}} | fields


def test_an_answer() -> None:
    body = answer_with({"type": "text", "text": "Yes."}, model="m-1-0826")
    assert parse_answer(body) == Answer("Yes.", "stop", None, Usage(input_tokens=9, output_tokens=2), "m-1-0826")


def test_blocks_that_nobody_knows_are_left_out() -> None:
    blocks = ({"type": "redacted_thinking", "data": "x"}, {"type": "server_tool_use", "id": 1}, {"type": ["new"]}, {})
    assert parse_answer(answer_with(*blocks)).content == ""


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "something_new"),
        (None, None),
        (7, None),
    ],
)
def test_why_it_ended(stop_reason: object, finish_reason: str | None) -> None:
    assert parse_answer(answer_with(stop_reason=stop_reason)).finish_reason == finish_reason


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {},
        {"input_tokens": 9},
        {"input_tokens": -9, "output_tokens": 2},
        {"input_tokens": 9, "output_tokens": True},
        {"input_tokens": 9, "output_tokens": 2, "cache_read_input_tokens": "5"},
        {"input_tokens": 15_000_000, "output_tokens": 2, "cache_creation_input_tokens": 15_000_000},
    ],
)
def test_an_unbelievable_count_is_marked_and_the_paid_answer_kept(usage: object) -> None:
    answer = parse_answer(answer_with({"type": "text", "text": "Yes."}, usage=usage))
    assert (answer.content, answer.usage, answer.usage_reported) == ("Yes.", Usage(), False)


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels):
        inner = {"in": inner}
    return inner


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "body is missing"),
        ({"choices": []}, "content is missing"),
        (answer_with(content="text"), "content is of type str"),
        (answer_with("text"), r"content\[\] is of type str"),
        (answer_with({"type": "text"}), r"content\[\].text is missing"),
        (answer_with({"type": "thinking", "thinking": 7}), r"content\[\].thinking is of type int"),
        (answer_with({"type": "tool_use", "name": "look", "input": {}}), r"content\[\].id is missing"),
        (answer_with({"type": "tool_use", "id": "c1", "input": {}}), r"content\[\].name is missing"),
        (answer_with({"type": "tool_use", "id": "c1", "name": "look", "input": "{}"}), r"content\[\].input is of type str"),
        (answer_with({"type": "tool_use", "id": "c1", "name": "look", "input": nested(300)}), "that can be written again"),
    ],
)
def test_a_malformed_answer_is_refused_by_the_field(body: object, reason: str) -> None:
    with pytest.raises(BadAnswerError, match=reason) as caught:
        parse_answer(body)
    assert caught.value.charged


def read(events: list[Any]) -> Answer:
    stream = AnthropicStream()
    for event in events:
        stream.add(event)
    return stream.answer()


def test_a_stream_that_ends_early_is_no_answer() -> None:
    whole = next(index for index, event in enumerate(EVENTS) if event["type"] == "message_delta") + 1
    assert read(EVENTS[:whole]) == read(EVENTS)
    for end in range(whole):
        with pytest.raises(BadAnswerError, match="ended before the answer"):
            read(EVENTS[:end])


def test_a_call_whose_arguments_never_came_has_none() -> None:
    block = {"type": "tool_use", "id": "c1", "name": "look", "input": {}}
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"input_tokens": 1, "output_tokens": 1}}
    (made,) = read([{"type": "content_block_start", "index": 0, "content_block": block}, end]).tool_calls or ()
    assert made == {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


TEXT = {"type": "text", "text": ""}
OPEN = {"type": "content_block_start", "index": 0, "content_block": TEXT}


def delta(**fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": fields}


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([7], "event is of type int"),
        ([{"type": "message_start"}], "message_start.message is missing"),
        ([{"type": "content_block_start", "index": MOST_BLOCKS, "content_block": TEXT}], "not a number below"),
        ([{"type": "content_block_start", "index": -1, "content_block": TEXT}], "not a number below"),
        ([{"type": "content_block_start", "content_block": TEXT}], "not a number below"),
        ([OPEN, OPEN], "not that of a new block"),
        ([{"type": "content_block_start", "index": 0}], "content_block is missing"),
        ([OPEN, {"type": "content_block_delta", "index": 0}], "content_block_delta.delta is missing"),
        ([OPEN, delta(type="text_delta", text=7)], "delta.text is of type int"),
        ([{"type": "content_block_delta", "index": 0, "delta": {}}], "not that of an open block"),
        ([{"type": "error", "error": {"type": "overloaded_error"}}], "broke off with an error"),
    ],
)
def test_a_malformed_stream_is_refused_by_the_field(events: list[Any], reason: str) -> None:
    with pytest.raises(BadAnswerError, match=reason):
        read(events)


@pytest.mark.parametrize(("kind", "status"), STATUSES.items())
def test_an_error_in_place_of_an_answer_has_the_status_of_its_type(kind: str, status: int) -> None:
    error = find_error({"type": "error", "error": {"type": kind, "message": "No."}, "request_id": "req_1"})
    assert error is not None
    assert (error.http_status, error.message) == (status, "No.")


def test_an_error_of_a_new_type_has_no_status_and_an_answer_is_no_error() -> None:
    error = find_error({"type": "error", "error": {"type": "new_error", "message": "No."}})
    assert error is not None
    assert error.http_status is None
    assert [find_error(body) for body in (ANSWER, *EVENTS, [], None)] == [None] * (len(EVENTS) + 3)


NAMES = [
    "type",
    "content",
    "text",
    "thinking",
    "input",
    "id",
    "name",
    "index",
    "delta",
    "content_block",
    "message",
    "usage",
    "error",
]
NAMES += ["stop_reason", "input_tokens", "output_tokens", "output_tokens_details", "cache_read_input_tokens", "partial_json"]
WORDS = [
    "text",
    "thinking",
    "tool_use",
    "text_delta",
    "input_json_delta",
    "end_turn",
    *{event["type"] for event in EVENTS},
    "error",
]
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in pairs for place in ((*path, key), *places(inner, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn, valid: Any) -> Any:
    """A valid value of which a few things inside are something else."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(places(value)))
        holder = value
        for key in path:
            holder = holder[key]
        holder[last] = draw(anything)
    return value


@given(body=anything | anything.map(lambda each: answer_with(each, usage=each)) | mutated(ANSWER))
def test_any_json_is_an_answer_or_a_bad_answer(body: object) -> None:
    find_error(body)
    try:
        answer = parse_answer(body)
    except BadAnswerError:
        return
    assert isinstance(answer.content, str)


@given(
    events=st.lists(anything, max_size=4) | mutated(EVENTS) | st.permutations(EVENTS) | mutated(EVENTS).flatmap(st.permutations)
)
def test_any_events_are_an_answer_or_a_bad_answer(events: list[object]) -> None:
    stream, told = ANTHROPIC.open_stream(), ""
    try:
        for event in events:
            find_error(event)
            told += stream.add(event)
        answer = stream.answer()
    except BadAnswerError:
        return
    assert sorted(answer.content) == sorted(told)
