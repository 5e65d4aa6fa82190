"""What of a job Gemini's format can say, beyond what its own client was compared with, and what it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from pool_client.job import Job, Message
from pool_worker.errors import UnsupportedRequestError
from pool_worker.protocols.gemini.contents import NO_SIGNATURE
from pool_worker.protocols.gemini.request import render_request

HI = Message(role="user", content="Hi")


def call(arguments: object = "{}", **more: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}, **more}


def rendered(*messages: Message, model: str = "gemini-2.5-flash", **job: Any) -> dict[str, Any]:
    return render_request(Job(messages=list(messages) or [HI], **job), model_name=model, max_tokens=None)


def called(*calls: dict[str, Any]) -> Message:
    return Message(role="assistant", tool_calls=list(calls))


def answered(content: Any, call_id: str | None = "c1", name: str | None = None) -> Message:
    return Message(role="tool", content=content, tool_call_id=call_id, name=name)


def shown(**picture: Any) -> Message:
    return Message(role="user", content=[{"type": "image_url", "image_url": picture}])


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "look", **function}}


def schema(**more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, **more}}


def test_only_what_the_job_sets_is_sent() -> None:
    job = Job(messages=[HI], metadata={"ticket": 1}, response_format={"type": "text"}, stop=[], tools=[])
    assert render_request(job, model_name="m", max_tokens=None) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_turns_of_one_role_become_one() -> None:
    messages = [HI, Message(role="system", content="Be brief."), Message(role="user", content="There?"), called(call())]
    messages += [answered("[1]"), answered([{"type": "text", "text": "{"}, {"type": "text", "text": "}"}]), HI]
    assert rendered(*messages) == {
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}, {"text": "There?"}]},
            {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "look", "args": {}}}]},
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "c1", "name": "look", "response": {"result": "[1]"}}},
                    {"functionResponse": {"id": "c1", "name": "look", "response": {}}},
                    {"text": "Hi"},
                ],
            },
        ],
    }


def test_an_empty_text_is_left_out() -> None:
    messages = [HI, Message(role="assistant", content="", tool_calls=[call()])]
    messages.append(Message(role="user", content=[{"type": "text", "text": ""}, {"type": "text", "text": "So?"}]))
    assert [len(turn["parts"]) for turn in rendered(*messages)["contents"]] == [1, 1, 1]


def test_a_result_is_of_the_latest_call_with_its_id_or_of_the_function_that_it_names() -> None:
    again = {"id": "c1", "type": "function", "function": {"name": "listen", "arguments": ""}}
    turns = rendered(HI, called(call()), answered("1"), called(again), answered("2", name="look"), answered("3", "c9", "smell"))[
        "contents"
    ]
    names = [part["functionResponse"]["name"] for turn in turns for part in turn["parts"] if "functionResponse" in part]
    assert names == ["look", "listen", "smell"]


@pytest.mark.parametrize("model", ["gemini-3.5-flash", "models/gemini-3-pro-preview", "gemini-flash-latest"])
def test_a_turn_of_another_models_calls_is_signed_by_a_stand_in(model: str) -> None:
    parts = rendered(HI, called(call(), call()), model=model)["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [NO_SIGNATURE, None]


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "models/gemini-2.5-pro", "gemma-3-27b-it"])
def test_models_that_want_no_signatures_get_none(model: str) -> None:
    (part,) = rendered(HI, called(call(extra_content={"other": {"thought_signature": "x"}})), model=model)["contents"][1]["parts"]
    assert "thoughtSignature" not in part


def test_signatures_of_its_own_calls_come_back() -> None:
    own = call(extra_content={"google": {"thought_signature": "c2ln"}})
    parts = rendered(HI, called(own, call()), model="gemini-3.5-flash")["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == ["c2ln", None]


@pytest.mark.parametrize(
    ("choice", "mode"),
    [(None, "VALIDATED"), ("auto", "VALIDATED"), ("none", "NONE"), ("required", "ANY")],
)
def test_a_strict_tool_has_its_schema_kept_to(choice: str | None, mode: str) -> None:
    body = rendered(tools=[tool(strict=True), tool(strict=False)], tool_choice=choice)
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": mode}}
    assert body["tools"] == [{"functionDeclarations": [{"name": "look"}, {"name": "look"}]}]


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_choice_among_no_tools_is_left_out(choice: str) -> None:
    assert "toolConfig" not in rendered(tool_choice=choice)


CANNOT: list[tuple[str, dict[str, Any]]] = [
    ("seed", {"seed": 2**31}),
    ("response_format.type", {"response_format": {"type": "grammar"}}),
    ("response_format.grammar", {"response_format": {"type": "json_object", "grammar": "g"}}),
    ("response_format.json_schema", {"response_format": {"type": "json_schema"}}),
    ("tool_choice.type", {"tool_choice": {"type": "allowed_tools"}, "tools": [tool()]}),
    ("tool_choice.function", {"tool_choice": {"type": "function"}, "tools": [tool()]}),
    ("tool_choice.function.name", {"tool_choice": {"type": "function", "function": {}}, "tools": [tool()]}),
]


@pytest.mark.parametrize(("field", "job"), CANNOT, ids=[field for field, _ in CANNOT])
def test_what_cannot_be_said_of_a_job_is_refused_by_the_field(field: str, job: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedRequestError) as caught:
        rendered(**job)
    assert caught.value.reason.startswith(f"the provider's format cannot take the job's {field}: ")


CANNOT_IN_MESSAGES: list[tuple[str, Message]] = [
    ("tool_call_id", answered("1", "c2")),
    ("tool_call_id", answered("1", None)),
    ("content[0].type", answered([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}], name="look")),
    ("content[0].type", Message(role="system", content=[{"type": "image_url"}])),
    ("content[0].image_url.url", shown(url="cat.png")),
    ("content[0].image_url.url", shown(url="file:///cat.png")),
    ("content[0].image_url.url", shown(url="https://a/cat")),
    ("content[0].image_url.url", shown(url="https://a/cat.pdf")),
    ("tool_calls[0].id", called(call(id=7))),
    ("tool_calls[0].extra_content.google.thought_signature", called(call(extra_content={"google": {"thought_signature": 7}}))),
]


@pytest.mark.parametrize(("field", "message"), CANNOT_IN_MESSAGES)
def test_what_cannot_be_said_of_a_message_is_refused_by_the_field(field: str, message: Message) -> None:
    with pytest.raises(UnsupportedRequestError) as caught:
        rendered(HI, message)
    assert caught.value.reason.startswith(f"the provider's format cannot take the job's messages[1].{field}: ")


def test_an_instruction_alone_is_no_conversation() -> None:
    with pytest.raises(UnsupportedRequestError, match="messages: it must hold more than what the system says"):
        rendered(Message(role="system", content="Be brief."))
