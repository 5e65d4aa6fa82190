"""Gemini's answers: read whole or in pieces, and that no body at all breaks the reading."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_client.job import Usage
from pool_worker.errors import BadAnswerError
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.gemini import GEMINI
from pool_worker.protocols.gemini.answer import parse_answer

COUNTS = {
    "promptTokenCount": 20,
    "toolUsePromptTokenCount": 3,
    "cachedContentTokenCount": 15,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 7,
    "totalTokenCount": 35,
}
USAGE = Usage(input_tokens=23, output_tokens=12, cached_tokens=15, reasoning_tokens=7)
LOOK = {"functionCall": {"id": "f1", "name": "look", "args": {"where": "up ☃", "how": [1.5, None]}}, "thoughtSignature": "c2ln"}
LOOKED = {
    "id": "f1",
    "type": "function",
    "function": {"name": "look", "arguments": '{"where":"up ☃","how":[1.5,null]}'},
    "extra_content": {"google": {"thought_signature": "c2ln"}},
}


def response(*parts: object, reason: str | None = "STOP", **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0}
    return {"candidates": [candidate], "modelVersion": "gemini-3.5-flash-001", **more}


def streamed(*events: object) -> Answer:
    stream = GEMINI.open_stream()
    for event in events:
        stream.add(event)
    return stream.answer()


READERS = [pytest.param(parse_answer, id="whole"), pytest.param(streamed, id="stream")]
Reader = Callable[[object], Answer]
either = pytest.mark.parametrize("read", READERS)


@either
def test_an_answer(read: Reader) -> None:
    body = response({"text": "Hm, ", "thought": True}, {"text": "Yes"}, {"text": "."}, usageMetadata=COUNTS)
    assert read(body) == Answer("Yes.", "stop", None, USAGE, "gemini-3.5-flash-001", "Hm, ")


@either
def test_calls(read: Reader) -> None:
    answer = read(response({"text": "Let me see."}, LOOK, {"functionCall": {"name": "wait"}}))
    waited = {"id": "call_1", "type": "function", "function": {"name": "wait", "arguments": "{}"}}
    assert (answer.content, answer.tool_calls, answer.finish_reason) == ("Let me see.", [LOOKED, waited], "tool_calls")


@either
@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        *((filtered, "content_filter") for filtered in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")),
        ("MALFORMED_FUNCTION_CALL", "malformed_function_call"),
        ("NEVER_HEARD_OF", "never_heard_of"),
    ],
)
def test_why_it_ended(read: Reader, reason: str, told: str) -> None:
    assert read(response({"text": "Well"}, reason=reason)).finish_reason == told
    assert read({"candidates": [{"finishReason": reason}]}) == Answer("", told, None, Usage(), None, usage_reported=False)


@either
def test_a_call_that_was_cut_short_is_no_end(read: Reader) -> None:
    assert read(response(LOOK, reason="MAX_TOKENS")).finish_reason == "length"


@either
def test_a_blocked_prompt_is_an_empty_answer_of_the_filter(read: Reader) -> None:
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}}
    assert read(body) == Answer("", "content_filter", None, Usage(input_tokens=9), None)


@either
def test_parts_that_are_neither_text_nor_calls_are_passed_over(read: Reader) -> None:
    body = response({"executableCode": {"code": "1"}}, {"inlineData": {"data": "AA=="}}, {"text": "A"}, {})
    assert read(body).content == "A"


@either
@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {},
        {"promptTokenCount": -1},
        {"promptTokenCount": "9"},
        {"promptTokenCount": 9, "candidatesTokenCount": True},
        {"promptTokenCount": 9, "thoughtsTokenCount": 10**30},
        {"promptTokenCount": 9, "toolUsePromptTokenCount": 1.5},
    ],
)
def test_an_unbelievable_count_is_marked_and_the_paid_answer_kept(read: Reader, usage: object) -> None:
    answer = read(response({"text": "Yes."}, usageMetadata=usage))
    assert (answer.content, answer.usage, answer.usage_reported) == ("Yes.", Usage(), False)


@either
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "(body|event) is missing"),
        ([], "(body|event) is empty"),
        ({"candidates": {"0": 1}}, "candidates is of type dict"),
        ({"candidates": ["a"]}, r"candidates\[0\] is of type str"),
        ({"candidates": [{"content": "Yes."}]}, r"candidates\[0\].content is of type str"),
        ({"candidates": [{"content": {"parts": "Yes."}}]}, "parts is of type str"),
        (response("Yes."), r"parts\[\] is of type str"),
        (response({"text": 7}), r"parts\[\].text is of type int"),
        (response({"functionCall": "look"}), "functionCall is of type str"),
        (response({"functionCall": {"args": {}}}), "functionCall is of type dict"),
        (response({"functionCall": {"name": "f", "args": [1]}}), "args is of type list"),
        (response({"functionCall": {"name": "f", "args": {"n": 2**64}}}), "args is of type dict"),
    ],
)
def test_a_malformed_answer_is_refused_by_the_field(read: Reader, body: object, reason: str) -> None:
    with pytest.raises(BadAnswerError, match=reason) as caught:
        read(body)
    assert caught.value.charged


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "candidates is missing"),
        ({"candidates": []}, "candidates is empty"),
        ({"candidates": [{}]}, r"candidates\[0\].content is missing"),
        ({"candidates": [], "promptFeedback": {"safetyRatings": []}}, "candidates is empty"),
    ],
)
def test_nothing_at_all_is_no_answer(body: object, reason: str) -> None:
    with pytest.raises(BadAnswerError, match=reason):
        parse_answer(body)
    with pytest.raises(BadAnswerError, match="the stream ended before the answer did") as caught:
        streamed(body)
    assert caught.value.charged


def test_a_stream_is_put_together() -> None:
    stream = GEMINI.open_stream()
    events = [
        response({"text": "Hm", "thought": True}, reason=None, usageMetadata={"promptTokenCount": 20}),
        response({"text": "Let me "}, reason=None, usageMetadata={"promptTokenCount": 20, "candidatesTokenCount": 2}),
        response({"text": "see."}, {"functionCall": {"name": "wait"}}, reason=None),
        response({"functionCall": {"name": "look"}}, {"text": ""}, reason="STOP"),
        {"usageMetadata": COUNTS},
        {"usageMetadata": {"promptTokenCount": "nonsense"}},
    ]
    assert [stream.add(event) for event in events] == ["", "Let me ", "see.", "", "", ""]
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for number, name in enumerate(("wait", "look"))
    ]
    assert stream.answer() == Answer("Let me see.", "tool_calls", calls, USAGE, "gemini-3.5-flash-001", "Hm")


def test_a_stream_that_ends_early_was_paid_for() -> None:
    with pytest.raises(BadAnswerError, match="ended before the answer did") as caught:
        streamed(response({"text": "Let me "}, reason=None, usageMetadata=COUNTS))
    assert caught.value.charged
    with pytest.raises(BadAnswerError):
        streamed()


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: [error]], ids=["object", "array"])
def test_an_error_in_place_of_an_answer(wrap: Callable[[object], object]) -> None:
    inner = {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}
    error = GEMINI.find_error(wrap({"error": inner}))
    assert error is not None
    assert (error.http_status, error.message, error.codes) == (503, inner["message"], ("503", "unavailable"))
    assert GEMINI.find_error(response({"text": "Yes."})) is None
    assert GEMINI.find_error({"promptFeedback": {"blockReason": "SAFETY"}}) is None


NAMES = ["candidates", "content", "parts", "text", "thought", "functionCall", "name", "args", "id", "finishReason", "index"]
NAMES += ["promptFeedback", "blockReason", "usageMetadata", "promptTokenCount", "thoughtsTokenCount", "modelVersion"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["STOP", "SAFETY"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)
VALID = json.dumps(response({"text": "Hm", "thought": True}, {"text": "Yes."}, LOOK, usageMetadata=COUNTS))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value, as its container and the key or index there."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid answer of which one to three places hold something else, or nothing."""
    body = json.loads(VALID)
    for _ in range(draw(st.integers(1, 3))):
        where = places(body)
        if where:
            container, key = draw(st.sampled_from(where))
            if draw(st.booleans()):
                container[key] = draw(anything)
            else:
                del container[key]
    return body


def assert_is_answer(answer: Answer) -> None:
    assert isinstance(answer.content, str)
    assert isinstance(answer.reasoning, str)
    assert answer.finish_reason is None or isinstance(answer.finish_reason, str)
    for call in answer.tool_calls or ():
        assert isinstance(json.loads(call["function"]["arguments"]), dict)
        assert isinstance(call["id"], str)


@given(body=anything | anything.map(response) | mutated())
def test_any_json_is_an_answer_or_a_bad_answer(body: object) -> None:
    try:
        answer = parse_answer(body)
    except BadAnswerError:
        return
    assert_is_answer(answer)


@given(events=st.lists(anything | anything.map(response) | mutated(), max_size=4))
def test_any_events_are_an_answer_or_a_bad_answer(events: list[object]) -> None:
    stream = GEMINI.open_stream()
    try:
        told = [stream.add(event) for event in events]
        answer = stream.answer()
    except BadAnswerError:
        return
    assert_is_answer(answer)
    assert answer.content == "".join(told)
