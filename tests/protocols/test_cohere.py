"""Cohere's format: what cannot be said in it, what comes in, and that no body and no event at all breaks the reading.

That what goes out is what Cohere's own client sends is shown in `test_cohere_as_sdk.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_client.job import Job, Message, Usage
from pool_worker.errors import BadAnswerError, ProviderFailedError, UnsupportedRequestError
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.cohere.answer import find_error, parse_answer
from pool_worker.protocols.cohere.request import render_request
from pool_worker.protocols.cohere.stream import MOST_TOOL_CALLS, CohereStream
from pool_worker.providers.classify import classify
from pool_worker.providers.refusal import Refusal

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"where": "up"}'}}
TOOL = {"type": "function", "function": {"name": "look"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
HELLO = Message(role="user", content="Hi")


def body_with(message: object, **other: Any) -> dict[str, Any]:
    return {"id": "a1", "message": message, "finish_reason": "COMPLETE", **other}


def said(*parts: dict[str, Any], role: str = "user") -> Message:
    return Message(role=role, content=list(parts))  # type: ignore[arg-type]


def test_only_what_the_job_sets_is_sent() -> None:
    assert render_request(Job(messages=[HELLO], metadata={"ticket": 1}), model_name="m-1", max_tokens=None) == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": False,
    }


@pytest.mark.parametrize(
    ("job", "field"),
    [
        (Job(messages=[HELLO], temperature=1.2), "temperature"),
        (Job(messages=[HELLO], top_p=1.0), "top_p"),
        (Job(messages=[HELLO], top_p=0.001), "top_p"),
        (Job(messages=[HELLO], seed=-1), "seed"),
        (Job(messages=[HELLO], tools=[TOOL], tool_choice={"type": "function", "function": {"name": "look"}}), "tool_choice"),
        (
            Job(messages=[HELLO], tools=[TOOL, {"type": "function", "function": {"name": "go", "strict": True}}]),
            "tools[1].function.strict",
        ),
        (Job(messages=[HELLO], tools=[TOOL], response_format=SCHEMA), "response_format.type"),
        (Job(messages=[HELLO], response_format={"type": "grammar"}), "response_format.type"),
        (Job(messages=[HELLO], response_format={"type": "json_schema"}), "response_format.json_schema"),
        (Job(messages=[said({"type": ["text"], "text": "Hi"})]), "messages[0].content[0].type"),
        (
            Job(messages=[said({"type": "image_url", "image_url": {"url": "x"}}, role="system")]),
            "messages[0].content[0].type",
        ),
        (
            Job(messages=[said({"type": "image_url", "image_url": {"url": "x", "format": "png"}})]),
            "messages[0].content[0].image_url.format",
        ),
        (
            Job(messages=[Message(role="assistant", tool_calls=[CALL | {"function": {"name": "look", "arguments": {}}}])]),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (Job(messages=[Message(role="assistant", tool_calls=[CALL | {"id": None}])]), "messages[0].tool_calls[0].id"),
        (Job(messages=[HELLO, Message(role="tool", content="6")]), "messages[1].tool_call_id"),
        (
            Job(messages=[Message(role="assistant", content=[{"type": "thinking", "thinking": "x"}], tool_calls=[CALL])]),
            "messages[0].content[0].type",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_by_the_field(job: Job, field: str) -> None:
    with pytest.raises(UnsupportedRequestError) as caught:
        render_request(job, model_name="m", max_tokens=None)
    assert caught.value.reason.startswith(f"the provider's format cannot take the job's {field}: ")


@pytest.mark.parametrize("choice", [None, "auto"])
def test_a_free_choice_of_tools_is_left_out(choice: str | None) -> None:
    assert "tool_choice" not in render_request(
        Job(messages=[HELLO], tools=[TOOL], tool_choice=choice), model_name="m", max_tokens=1
    )


def test_an_answer() -> None:
    usage = {
        "billed_units": {"input_tokens": 5.0, "output_tokens": 2.0},
        "tokens": {"input_tokens": 71.0, "output_tokens": 3.0},
        "cached_tokens": 64.0,
    }
    body = body_with({"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}, usage=usage)
    counted = Usage(input_tokens=71, output_tokens=3, cached_tokens=64)
    assert parse_answer(body) == Answer("Yes.", "stop", None, counted, None)


def test_thinking_and_a_plan_are_reasoning() -> None:
    thought = {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}], "tool_plan": "Look."}
    answer = parse_answer(body_with(thought))
    assert (answer.content, answer.reasoning) == ("Yes.", "Hm.")
    planned = parse_answer(body_with({"tool_plan": "Look.", "tool_calls": [CALL]}, finish_reason="TOOL_CALL"))
    assert (planned.content, planned.reasoning, planned.tool_calls) == ("", "Look.", [CALL])
    assert planned.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        *[("COMPLETE", "stop"), ("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("TOOL_CALL", "tool_calls")],
        *[("USER_CANCEL", "user_cancel"), (None, None), (7, None)],
    ],
)
def test_why_an_answer_ended(reason: object, ours: str | None) -> None:
    assert parse_answer(body_with({"content": None}, finish_reason=reason)).finish_reason == ours


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
def test_an_answer_that_failed_is_a_failure_of_the_provider(reason: str) -> None:
    end = {"type": "message-end", "delta": {"finish_reason": reason}}
    for body in (body_with({"content": [{"type": "text", "text": "Ye"}]}, finish_reason=reason), end):
        found = find_error(body)
        assert found is not None
        error = classify(Refusal(provider_id="cohere", status=200, body=found.fields), now=datetime.now(UTC))
        assert isinstance(error, ProviderFailedError)
        assert error.charged
        assert error.reason == f"cohere answered 200: the answer ended with {reason}"


def test_errors_in_disguise() -> None:
    words = {"type": "message-end", "delta": {"error": "out of memory", "finish_reason": "ERROR"}}
    for body in ({"message": "out of memory"}, words, {"error": {"message": "out of memory"}}):
        found = find_error(body)
        assert found is not None
        assert found.message == "out of memory"
    good = body_with({"content": []})
    assert [find_error(body) for body in (None, [], good, {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}})] == [
        None
    ] * 4


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"billed_units": {"input_tokens": 5.0, "output_tokens": 2}}, Usage(input_tokens=5, output_tokens=2)),
        ({"tokens": {}, "billed_units": {"input_tokens": 5.0}}, Usage(input_tokens=5)),
        (
            {"tokens": {"input_tokens": 5.0, "output_tokens": 1.0}, "cached_tokens": 9.0},
            Usage(input_tokens=5, output_tokens=1, cached_tokens=5),
        ),
        *[(usage, None) for usage in (None, {}, [], {"tokens": {"input_tokens": 5.5}}, {"tokens": {"input_tokens": 1e300}})],
        *[({"tokens": {"input_tokens": value}}, None) for value in (-1.0, True, "5", float("nan"), float("inf"))],
    ],
)
def test_counts(usage: object, counted: Usage | None) -> None:
    answer = parse_answer(body_with({"content": None}, usage=usage))
    assert (answer.usage, answer.usage_reported) == (counted or Usage(), counted is not None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "body is missing"),
        ([], "body is empty"),
        ({"text": "version 1"}, "message is missing"),
        (body_with([]), "message is empty"),
        (body_with({"content": 7}), "content is of type int"),
        (body_with({"content": ["Yes."]}), r"content\[\] is of type str"),
        (body_with({"content": [{"type": "text", "text": 7}]}), r"content\[\].text is of type int"),
        (body_with({"content": [{"type": "thinking", "thinking": []}]}), r"content\[\].thinking is empty"),
        (body_with({"tool_calls": "look"}), "tool_calls is of type str"),
        (body_with({"tool_calls": [{"function": {}}]}), "function is empty"),
        (body_with({"tool_calls": [None]}), "function is missing"),
        (body_with({"tool_calls": [{"function": {"name": "f", "arguments": {}}}]}), "arguments is empty"),
    ],
)
def test_a_malformed_answer_is_refused_by_the_field(body: object, reason: str) -> None:
    with pytest.raises(BadAnswerError, match=reason) as caught:
        parse_answer(body)
    assert caught.value.charged


def event(kind: str, message: object = None, **other: Any) -> dict[str, Any]:
    return {"type": kind, "delta": {"message": message}, **other}


END = {
    "type": "message-end",
    "delta": {"finish_reason": "TOOL_CALL", "usage": {"tokens": {"input_tokens": 9.0, "output_tokens": 4.0}}},
}
EVENTS: list[dict[str, Any]] = [
    event("message-start", {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}, id="a1"),
    {"type": "debug", "prompt": "<BOS>Hi"},
    event("content-start", {"content": {"type": "thinking", "thinking": ""}}, index=0),
    event("content-delta", {"content": {"thinking": "Hm."}}, index=0),
    {"type": "content-end", "index": 0},
    event("content-start", {"content": {"type": "text", "text": ""}}, index=1),
    event("content-delta", {"content": {"text": "Ye"}}, index=1),
    event("content-delta", {"content": {"text": "s."}}, index=1),
    event("citation-start", {"citations": {"start": 0, "end": 2, "text": "Ye", "sources": []}}, index=0),
    {"type": "citation-end", "index": 0},
    event("tool-plan-delta", {"tool_plan": "Look "}),
    event("tool-plan-delta", {"tool_plan": "up."}),
    event(
        "tool-call-start",
        {"tool_calls": {"id": "c1", "type": "function", "function": {"name": "look", "arguments": ""}}},
        index=0,
    ),
    event("tool-call-delta", {"tool_calls": {"function": {"arguments": '{"where"'}}}, index=0),
    event("tool-call-delta", {"tool_calls": {"function": {"arguments": ': "up"}'}}}, index=0),
    {"type": "tool-call-end", "index": 0},
    event("tool-call-start", {"tool_calls": {"id": "c2", "type": "function", "function": {"name": "wait"}}}, index=1),
    END,
]


def streamed(*events: object) -> Answer:
    stream = CohereStream()
    for each in events:
        stream.add(each)
    return stream.answer()


def test_a_stream_is_put_together() -> None:
    second = {"id": "c2", "type": "function", "function": {"name": "wait", "arguments": ""}}
    counted = Usage(input_tokens=9, output_tokens=4)
    assert streamed(*EVENTS) == Answer("Yes.", "tool_calls", [CALL, second], counted, None, reasoning="Hm.")


def test_a_plan_is_reasoning_where_nothing_else_was_thought() -> None:
    assert streamed(*EVENTS[10:]).reasoning == "Look up."


def test_each_event_tells_what_it_adds() -> None:
    stream = CohereStream()
    assert [text for each in EVENTS if (text := stream.add(each))] == ["Ye", "s."]


@pytest.mark.parametrize("length", [0, 1, len(EVENTS) - 1])
def test_a_stream_that_ends_early_is_no_answer(length: int) -> None:
    with pytest.raises(BadAnswerError, match="ended before the answer did"):
        streamed(*EVENTS[:length])


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (None, "event is missing"),
        (event("content-delta"), "delta.message is missing"),
        (event("content-delta", {"content": "Yes."}), "delta.message.content is of type str"),
        (event("content-delta", {"content": {"text": 7}}), "content.text is of type int"),
        (event("content-start", {"content": {"thinking": {}}}), "content.thinking is empty"),
        (event("tool-plan-delta", {"tool_plan": 7}), "tool_plan is of type int"),
        (event("tool-call-start", {"tool_calls": []}), "tool_calls is empty"),
        (event("tool-call-start", {"tool_calls": {"function": {"arguments": "x"}}}), "function.name is missing"),
        (event("tool-call-start", {"tool_calls": CALL}, index=MOST_TOOL_CALLS), "index is of type int, not a number below"),
        (event("tool-call-start", {"tool_calls": CALL}, index=-1), "index is of type int"),
        (event("tool-call-start", {"tool_calls": CALL}, index="0"), "index is of type str"),
        (event("tool-call-start", {"tool_calls": {"function": {"name": "f", "arguments": {}}}}), "arguments is empty"),
    ],
)
def test_a_malformed_event_is_refused_by_the_field(broken: object, reason: str) -> None:
    with pytest.raises(BadAnswerError, match=reason) as caught:
        streamed(broken, END)
    assert caught.value.charged


NAMES = [
    "message",
    "content",
    "tool_calls",
    "tool_plan",
    "function",
    "name",
    "arguments",
    "usage",
    "tokens",
    "billed_units",
    "type",
]
NAMES += ["text", "thinking", "delta", "index", "finish_reason", "error", "input_tokens", "output_tokens", "cached_tokens", "id"]
WORDS = ["text", "thinking", "ERROR", "COMPLETE", "message-end", "content-delta", "tool-call-start", "tool-plan-delta"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)
GOOD = body_with(
    {
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}],
        "tool_calls": [CALL],
        "tool_plan": "Look.",
    },
    usage={"tokens": {"input_tokens": 9.0, "output_tokens": 4.0}, "billed_units": {"input_tokens": 1.0}, "cached_tokens": 2.0},
)


@st.composite
def mutated(draw: st.DrawFn, good: Any) -> Any:
    """A good value of which one part, at any depth, is something else or missing."""
    if not isinstance(good, dict | list) or not good or draw(st.integers(0, 4)) == 0:
        return draw(anything)
    if isinstance(good, list):
        place = draw(st.integers(0, len(good) - 1))
        return [*good[:place], draw(mutated(good[place])), *good[place + 1 :]]
    name = draw(st.sampled_from(sorted(good)))
    kept = {other: value for other, value in good.items() if other != name}
    return kept if draw(st.booleans()) and draw(st.booleans()) else {**kept, name: draw(mutated(good[name]))}


@given(body=anything | anything.map(body_with) | mutated(GOOD))
def test_any_json_is_an_answer_or_a_bad_answer(body: object) -> None:
    find_error(body)
    try:
        answer = parse_answer(body)
    except BadAnswerError:
        return
    assert isinstance(answer.content, str)
    assert isinstance(answer.reasoning, str)
    assert answer.usage.cached_tokens <= answer.usage.input_tokens


@given(
    events=mutated(EVENTS)
    | st.lists(anything | mutated(EVENTS[6]) | mutated(EVENTS[12]), max_size=6).map(lambda some: [*some, END])
)
def test_any_events_are_an_answer_or_a_bad_answer(events: Any) -> None:
    events = events if isinstance(events, list) else [events]
    for each in events:
        find_error(each)
    try:
        answer = streamed(*events)
    except BadAnswerError:
        return
    assert isinstance(answer.content, str)
    assert all(isinstance(call["function"]["arguments"], str) for call in answer.tool_calls or [])
