"""The chat format: what goes out, what comes in, and that no body at all breaks the reading."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_client.job import Job, Message, Result, Usage
from pool_worker.errors import BadAnswerError
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.chat.answer import parse_answer
from pool_worker.protocols.chat.request import render_request
from pool_worker.protocols.error_body import find_error, parse_error
from pool_worker.protocols.fields import MOST_LEVELS

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"where": "up"}'}}


def body_with(message: object, **other: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": "stop"}], **other}


def test_only_what_the_job_sets_is_sent() -> None:
    job = Job(messages=[Message(role="user", content="Hi")], metadata={"ticket": 1}, agent="log_analyzer")
    assert render_request(job, model_name="m-1", max_tokens=None) == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_all_that_a_job_can_set() -> None:
    wanted: dict[str, Any] = {
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ["END"],
        "seed": 0,
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
    }
    job = Job(messages=[Message(role="user", content="Hi")], max_tokens=900, **wanted)
    sent = render_request(job, model_name="m-1", max_tokens=300)
    assert sent == {"model": "m-1", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 300, **wanted}


def test_a_conversation_with_tools_and_pictures() -> None:
    picture = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    messages = [
        Message(role="user", content=picture, name="ada"),
        Message(role="assistant", tool_calls=[{**CALL, "extra_content": {"google": {"thought_signature": "AA=="}}}]),
        Message(role="tool", tool_call_id="c1"),
    ]
    assert render_request(Job(messages=messages), model_name="m", max_tokens=None)["messages"] == [
        {"role": "user", "content": picture, "name": "ada"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "content": "", "tool_call_id": "c1"},
    ]


def test_an_answer() -> None:
    body = body_with({"content": "Yes."}, model="m-1-0826", usage={"prompt_tokens": 9, "completion_tokens": 2})
    assert parse_answer(body) == Answer("Yes.", "stop", None, Usage(input_tokens=9, output_tokens=2), "m-1-0826")


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": None}, ""),
        ({}, ""),
        ({"content": None, "refusal": "I cannot help with that."}, "I cannot help with that."),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "A"}, {"type": "text", "text": "B"}]}, "AB"),
    ],
)
def test_contents_that_are_not_a_string(message: dict[str, Any], content: str) -> None:
    assert parse_answer(body_with(message)).content == content


def test_tool_calls() -> None:
    answer = parse_answer(body_with({"content": None, "tool_calls": [CALL]}))
    assert answer.tool_calls == [CALL]
    assert parse_answer(body_with({"content": "x", "tool_calls": []})).tool_calls is None


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": True, "completion_tokens": 2},
        {"prompt_tokens": "9", "completion_tokens": 2},
        {"prompt_tokens": float("nan"), "completion_tokens": 2},
        {"prompt_tokens": 9, "completion_tokens": 10**30},
    ],
)
def test_an_unbelievable_count_is_marked_and_the_paid_answer_kept(usage: object) -> None:
    answer = parse_answer(body_with({"content": "Yes."}, usage=usage))
    assert (answer.content, answer.usage, answer.usage_reported) == ("Yes.", Usage(), False)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "body is missing"),
        ("text", "body is of type str"),
        ({"choices": []}, "choices is empty"),
        ({"choices": {"0": 1}}, "choices is of type dict"),
        ({"choices": [None]}, "message is missing"),
        ({"choices": [{"text": "old format"}]}, "message is missing"),
        (body_with({"content": 7}), "content is of type int"),
        (body_with({"content": [7]}), r"content\[\] is of type int"),
        (body_with({"content": [{"type": "text"}]}), r"content\[\].text is missing"),
        (body_with({"tool_calls": "look"}), "tool_calls is of type str"),
        (body_with({"tool_calls": [{"function": {}}]}), "function is empty"),
        (body_with({"tool_calls": [{"function": {"name": "f", "arguments": {}}}]}), "arguments is empty"),
    ],
)
def test_a_malformed_answer_is_refused_by_the_field(body: object, reason: str) -> None:
    with pytest.raises(BadAnswerError, match=reason) as caught:
        parse_answer(body)
    assert caught.value.charged


def test_what_is_passed_on_can_be_stored_and_read_by_a_caller() -> None:
    def answer_with(levels: int) -> dict[str, Any]:
        return body_with({"tool_calls": [CALL | {"extra": json.loads("[" * levels + "]" * levels)}]})

    calls = parse_answer(answer_with(MOST_LEVELS - 1)).tool_calls
    result = Result(job_id="j", content="", model_id="m", provider="p", tool_calls=calls)
    assert Result.model_validate_json(result.model_dump_json()) == result
    with pytest.raises(BadAnswerError, match=r"tool_calls\[\] is of type dict, not an object of at most 64 levels"):
        parse_answer(answer_with(MOST_LEVELS))


NAMES = ["choices", "message", "content", "tool_calls", "function", "name", "arguments", "usage", "prompt_tokens", "type", "text"]
NAMES += ["error", "errors", "code", "metadata", "details", "violations", "raw", "detail", "msg", "completion_tokens", "model"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["text", "function"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


@given(
    body=anything
    | anything.map(body_with)
    | anything.map(lambda each: body_with({"content": each, "tool_calls": each}, usage=each))
)
def test_any_json_is_an_answer_or_a_bad_answer(body: object) -> None:
    try:
        answer = parse_answer(body)
    except BadAnswerError:
        return
    assert isinstance(answer.content, str)


@given(body=anything)
def test_any_json_can_be_read_as_an_error(body: object) -> None:
    error = parse_error(body)
    assert isinstance(error.message, str)
    assert error.http_status is None or 400 <= error.http_status < 600
    find_error(body)


def test_an_answer_is_no_error() -> None:
    assert find_error(body_with({"content": "Yes."}, error=None)) is None
    assert find_error({"error": {}}) is None
    assert find_error([]) is None


def test_wrappings_of_an_error() -> None:
    inner = {"message": "No.", "code": 1300, "type": "Rate_Limited"}
    for body in (inner, {"error": inner}, [{"error": inner}], {"errors": [inner]}):
        error = parse_error(body)
        assert (error.message, error.codes) == ("No.", ("1300", "rate_limited"))
    assert parse_error({"error": "No."}).message == "No."
    assert parse_error({"detail": [{"msg": "No."}]}).message == "No."
    assert parse_error("No.").message == "No."
