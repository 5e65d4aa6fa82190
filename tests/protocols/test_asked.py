"""What no format but that of the chat API can say is refused by all of them in the same words, and what says nothing by none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pool_client.job import Job, Message
from pool_worker.errors import UnsupportedRequestError
from pool_worker.protocols import PROTOCOLS
from pool_worker.protocols.asked import check_range, object_of, refuse_value

FORMATS = sorted(set(PROTOCOLS) - {"chat"})
HI = Message(role="user", content="Hi")


def call(arguments: object = "{}", **more: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}, **more}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "look", **function}}


def schema(**more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, **more}}


def said(**part: Any) -> list[Message]:
    return [HI, Message(role="user", content=[part])]


def rendered(protocol: str, job: Job) -> dict[str, Any]:
    return PROTOCOLS[protocol].render_request(job, model_name="gemini-3-pro-preview", max_tokens=9)


@pytest.mark.parametrize("protocol", FORMATS)
@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (
            {"messages": said(type="input_audio", input_audio={})},
            "messages[1].content[0].type: it must be text or image_url in a message of the user, and is 'input_audio'",
        ),
        ({"messages": said(type="text", text=7)}, "messages[1].content[0].text: it must be a text, and is 7"),
        (
            {"messages": said(type="text", text="Hi", cache_control={})},
            "messages[1].content[0].cache_control: there is no such field, only text, type",
        ),
        (
            {"messages": said(type="image_url", image_url="a.png")},
            "messages[1].content[0].image_url: it must be an object, and is 'a.png'",
        ),
        (
            {"messages": said(type="image_url", image_url={"detail": "auto"})},
            "messages[1].content[0].image_url.url: it must be a text, and is missing",
        ),
        ({"messages": [Message(role="user", content="Hi", name="ada")]}, "messages[0].name: speakers have no names"),
        (
            {"messages": [Message(role="user", tool_calls=[call()])]},
            "messages[0].tool_calls: only the assistant calls tools, not the user",
        ),
        (
            {"messages": [Message(role="user", content="Hi", tool_call_id="c1")]},
            "messages[0].tool_call_id: only a tool answers a call, not the user",
        ),
        (
            {"messages": [HI, Message(role="assistant", tool_calls=[call(type="custom")])]},
            "messages[1].tool_calls[0].type: it must be function, and is 'custom'",
        ),
        (
            {"messages": [HI, Message(role="assistant", tool_calls=[call(function={})])]},
            "messages[1].tool_calls[0].function.name: it must be a text, and is missing",
        ),
        ({"tools": [tool(), {"type": "web_search"}]}, "tools[1].type: it must be function, and is 'web_search'"),
        ({"tools": [tool() | {"type": None}]}, "tools[0].type: it must be function, and is missing"),
        ({"tools": [{"type": "function"}]}, "tools[0].function: it must be an object, and is missing"),
        ({"tools": [tool(name="")]}, "tools[0].function.name: it must be a text, and is empty"),
        ({"tools": [tool(description=["no"])]}, "tools[0].function.description: it must be a text, and is of type list"),
        (
            {"tools": [tool(examples=[])]},
            "tools[0].function.examples: there is no such field, only description, name, parameters, strict",
        ),
        ({"tool_choice": "required"}, "tool_choice: there are no tools to choose from"),
        (
            {"tool_choice": "any", "tools": [tool()]},
            "tool_choice: it must be auto or none or required or a function, and is 'any'",
        ),
        ({"response_format": {"type": "text", "grammar": "g"}}, "response_format.grammar: there is no such field, only type"),
        (
            {"response_format": schema(schema="{}")},
            "response_format.json_schema.schema: it must be an object, and is '{}'",
        ),
        (
            {"response_format": schema(description="A trip")},
            "response_format.json_schema.description: there is no such field, only name, schema, strict",
        ),
    ],
)
def test_all_refuse_in_the_same_words(protocol: str, asked: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsupportedRequestError) as caught:
        rendered(protocol, Job(**{"messages": [HI], **asked}))
    assert caught.value.reason == f"the provider's format cannot take the job's {reason}"


@pytest.mark.parametrize("protocol", FORMATS)
@pytest.mark.parametrize(
    ("with_more", "without"),
    [
        ({"messages": said(type="text", text="Hi", cache_control=None)}, {"messages": said(type="text", text="Hi")}),
        ({"tools": [tool(examples=None) | {"defer": None}]}, {"tools": [tool()]}),
        ({"response_format": schema(description=None) | {"grammar": None}}, {"response_format": schema()}),
        (
            {"messages": [HI, Message(role="assistant", tool_calls=[call(index=0, cache={"hit": True})])]},
            {"messages": [HI, Message(role="assistant", tool_calls=[call()])]},
        ),
    ],
    ids=["a part's null", "a tool's null", "a format's null", "another provider's note in its call"],
)
def test_what_asks_for_nothing_is_left_out(protocol: str, with_more: dict[str, Any], without: dict[str, Any]) -> None:
    jobs = [Job(**{"messages": [HI], **asked}) for asked in (with_more, without)]
    more, less = (rendered(protocol, job) for job in jobs)
    assert more == less


READERS = ("anthropic", "gemini")
"""Formats that read what the chat API and Cohere's pass on as text."""


def shown(**picture: Any) -> list[Message]:
    return said(type="image_url", image_url=picture)


@pytest.mark.parametrize("protocol", READERS)
@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (shown(url="data:image/png;base64,AA==", detail="high"), "detail: it must be auto, and is 'high'"),
        (shown(url="data:image/png,AA=="), "url: it must begin like data:image/png;base64,"),
        (shown(url="data:;base64,AA=="), "url: it must begin like data:image/png;base64,"),
        (shown(url="data:image/png;base64;x=y,AA=="), "url: it must begin like data:image/png;base64,"),
        (shown(url="data:image/png;base64,A"), "url: what follows the comma must be base64"),
        (shown(url="data:image/png;base64,A*A=="), "url: what follows the comma must be base64"),
        (shown(url="data:image/png;base64,☃"), "url: what follows the comma must be base64"),
    ],
)
def test_pictures_are_read_alike(protocol: str, messages: list[Message], reason: str) -> None:
    with pytest.raises(UnsupportedRequestError) as caught:
        rendered(protocol, Job(messages=messages))
    assert caught.value.reason == f"the provider's format cannot take the job's messages[1].content[0].image_url.{reason}"


@pytest.mark.parametrize("protocol", READERS)
def test_a_scheme_may_be_in_capitals(protocol: str) -> None:
    capital, small = (Job(messages=shown(url=f"{scheme}:image/png;base64,AA==")) for scheme in ("DATA", "data"))
    assert rendered(protocol, capital) == rendered(protocol, small)


@pytest.mark.parametrize("protocol", READERS)
@pytest.mark.parametrize("arguments", ["[1]", "{", {}, {"where": "up"}, 7, 0])
def test_arguments_are_the_text_of_an_object(protocol: str, arguments: object) -> None:
    with pytest.raises(UnsupportedRequestError) as caught:
        rendered(protocol, Job(messages=[HI, Message(role="assistant", tool_calls=[call(), call(arguments)])]))
    field = "messages[1].tool_calls[1].function.arguments"
    assert caught.value.reason == f"the provider's format cannot take the job's {field}: it must be the text of a JSON object"


@pytest.mark.parametrize("protocol", READERS)
@pytest.mark.parametrize("arguments", [None, "", " "])
def test_no_arguments_are_an_empty_object(protocol: str, arguments: str | None) -> None:
    none, empty = (Job(messages=[HI, Message(role="assistant", tool_calls=[call(text)])]) for text in (arguments, "{}"))
    assert rendered(protocol, none) == rendered(protocol, empty)


NAMES = ["type", "text", "image_url", "url", "detail", "function", "name", "arguments", "parameters", "strict", "id", "google"]
NAMES += ["extra_content", "thought_signature", "json_schema", "schema"]
WORDS = ["function", "text", "image_url", "json_schema", "{}", "data:image/png;base64,AA==", "auto"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(NAMES), anything, max_size=4)
written = st.sampled_from([tool(), call(), {"type": "text", "text": "Hi"}, schema()])


REFUSED = re.compile(r"the provider's format cannot take the job's (messages\[|tools\[|tool_choice|response_format)")


def said_or_refused(protocol: str, job: Job) -> dict[str, Any] | str:
    """The body, or the reason why there is none."""
    try:
        return rendered(protocol, job)
    except UnsupportedRequestError as refused:
        return refused.reason


@pytest.mark.parametrize("protocol", FORMATS)
@settings(deadline=None)
@given(part=objects | written, calling=objects | written, offered=objects | written, chosen=objects | written)
def test_anything_is_said_or_refused_by_a_field_of_the_job(
    protocol: str, part: dict[str, Any], calling: dict[str, Any], offered: dict[str, Any], chosen: dict[str, Any]
) -> None:
    spoken = [HI, Message(role="user", content=[part])]
    called = [HI, Message(role="assistant", tool_calls=[calling]), Message(role="tool", content=[part], tool_call_id="c1")]
    choosing = Job(messages=[HI], tools=[tool()], tool_choice=chosen)
    others = (Job(messages=[HI], tools=[offered]), Job(messages=[HI], response_format=chosen))
    for job in (Job(messages=spoken), Job(messages=called), choosing, *others):
        said = said_or_refused(protocol, job)
        assert said.keys() & {"messages", "contents"} if isinstance(said, dict) else REFUSED.match(said)


@given(value=objects, known=st.frozensets(st.sampled_from(NAMES)))
def test_an_object_loses_nothing_that_it_asks_for(value: dict[str, Any], known: frozenset[str]) -> None:
    asked = {name: part for name, part in value.items() if part is not None}
    unknown = asked.keys() - known
    if unknown:
        with pytest.raises(UnsupportedRequestError, match=rf" tools\[0\]\.({'|'.join(unknown)}): there is no such field"):
            object_of(value, field="tools[0]", known=known)
        return
    kept = object_of(value, field="tools[0]", known=known)
    assert {name: part for name, part in kept.items() if part is not None} == asked
    assert kept.keys() <= known


@pytest.mark.parametrize("value", [0, 0.01, 1, None])
def test_a_number_within_its_range_is_taken(value: float | None) -> None:
    check_range(value, field="temperature", least=0, most=1)


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_a_number_outside_is_refused_with_the_range(value: float) -> None:
    with pytest.raises(UnsupportedRequestError) as caught:
        check_range(value, field="temperature", least=0, most=1)
    assert caught.value.reason == (
        f"the provider's format cannot take the job's temperature: it must be from 0 to 1, and is {value}"
    )


@given(value=anything | st.text(min_size=1000) | st.integers(min_value=10**1000))
def test_a_reason_stays_short_whatever_the_value(value: object) -> None:
    with pytest.raises(UnsupportedRequestError) as caught:
        refuse_value("seed", value, "a number")
    assert len(caught.value.reason) < 140
