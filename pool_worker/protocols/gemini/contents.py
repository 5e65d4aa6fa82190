"""Writing a conversation: the turns, and the instruction that stands before them.

The shapes::

    system, developer  systemInstruction: {"role": "user", "parts": [{"text"}]}
    user               {"role": "user", "parts": [{"text"} | {"inlineData": {"data", "mimeType"}} | {"fileData": …}]}
    assistant          {"role": "model", "parts": [{"text"} | {"functionCall": {"id", "name", "args"}, "thoughtSignature"}]}
    tool               {"role": "user", "parts": [{"functionResponse": {"id", "name", "response"}}]}

Turns of one role that follow each other become one: the answers to calls made side by side must come in one turn, and some
models want the two roles to alternate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pool_client.job import Message
from pool_worker.protocols.asked import refuse, text_of
from pool_worker.protocols.gemini.media import render_picture
from pool_worker.protocols.shapes import arguments_of, called_function, check_speaker, json_object, parts_of

NO_SIGNATURE = "skip_thought_signature_validator"
"""Stands in for the thought signature of a call that another model made, or that lost it. Models from Gemini 3 on refuse the
first call of a turn without one. Source: https://ai.google.dev/gemini-api/docs/thought-signatures, "FAQs"."""
_ROLES = {"user": "user", "tool": "user", "assistant": "model"}

Part = dict[str, Any]


def render_conversation(messages: Iterable[Message], *, signed: bool) -> dict[str, Any]:
    """`contents`, and `systemInstruction` if there is one.

    Args:
        messages: Those of the job.
        signed: Whether the model wants the thought signatures of its calls back.

    Raises:
        UnsupportedRequestError: the format has no way to say something in it; the reason names the field.
    """
    instruction: list[Part] = []
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}  # of the functions, by the id of the latest call
    for number, message in enumerate(messages):
        field = f"messages[{number}]"
        check_speaker(message, field=field)
        if message.role in {"system", "developer"}:
            instruction += _render_content(message, field=field, kinds=("text",))
            continue
        if message.role == "tool":
            parts = [_render_response(message, names, field=field)]
        else:
            parts = _render_content(message, field=field, kinds=("text", "image_url"))
            parts += _render_calls(message.tool_calls or (), names, field=field, signed=signed)
        _add_turn(turns, role=_ROLES[message.role], parts=parts)
    if not turns:
        refuse("messages", "it must hold more than what the system says")
    return {"contents": turns, **({"systemInstruction": {"role": "user", "parts": instruction}} if instruction else {})}


def _add_turn(turns: list[dict[str, Any]], *, role: str, parts: list[Part]) -> None:
    if not parts:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["parts"] += parts
    else:
        turns.append({"role": role, "parts": parts})


def _render_content(message: Message, *, field: str, kinds: tuple[str, ...]) -> list[Part]:
    """The parts of a message; an empty text, which the API refuses, is none."""
    parts = parts_of(message, kinds=kinds, field=field)
    return [_render_part(part, field=place) for place, part in parts if part.get("text") != ""]


def _render_part(part: Mapping[str, Any], *, field: str) -> Part:
    if part["type"] == "image_url":
        return render_picture(part.get("image_url"), field=f"{field}.image_url")
    return {"text": part["text"]}


def _render_calls(calls: Iterable[Mapping[str, Any]], names: dict[str, str], *, field: str, signed: bool) -> list[Part]:
    parts = []
    for number, call in enumerate(calls):
        place = f"{field}.tool_calls[{number}]"
        function = called_function(call, field=place)
        name = function["name"]
        rendered: Part = {"name": name, "args": arguments_of(function.get("arguments"), field=f"{place}.function.arguments")}
        call_id = call.get("id")
        if call_id is not None:
            rendered["id"] = text_of(call_id, field=f"{place}.id")
            names[rendered["id"]] = name
        signature = _signature(call.get("extra_content"), field=f"{place}.extra_content")
        parts.append({"functionCall": rendered} | ({"thoughtSignature": signature} if signature else {}))
    if signed and parts and not any("thoughtSignature" in part for part in parts):
        parts[0]["thoughtSignature"] = NO_SIGNATURE
    return parts


def _signature(extra: object, *, field: str) -> str | None:
    """The thought signature where Google's compatible endpoint, and our reading of an answer, put it.

    What other providers added to their calls means nothing here.
    """
    google = extra.get("google") if isinstance(extra, Mapping) else None
    signature = google.get("thought_signature") if isinstance(google, Mapping) else None
    return None if signature is None else text_of(signature, field=f"{field}.google.thought_signature")


def _render_response(message: Message, names: Mapping[str, str], *, field: str) -> Part:
    name = names.get(message.tool_call_id or "") or message.name
    if name is None:
        refuse(f"{field}.tool_call_id", "it must be the id of an earlier call, or the message must name its function")
    text = "".join(part["text"] for part in _render_content(message, field=field, kinds=("text",)))
    said = json_object(text)
    response: Part = {"name": name, "response": {"result": text} if said is None else said}
    if message.tool_call_id is not None:
        response["id"] = message.tool_call_id
    return {"functionResponse": response}
