"""Writing the messages of Cohere's chat.

The shapes::

    system, developer  {"role": "system", "content"}
    user               {"role": "user", "content"}
    assistant          {"role": "assistant", "content"} or, of one that calls tools,
                       {"role": "assistant", "tool_calls": [{"id", "type", "function"}], "tool_plan": "I will look it up."}
    tool               {"role": "tool", "content", "tool_call_id"}

    content            "Hi" or a list of {"type": "text", "text"}, and
                       of the user {"type": "image_url", "image_url": {"url", "detail"}},
                       of the assistant {"type": "thinking", "thinking"}

The `name` of a tool's message has no place there: its id says whose answer it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pool_client.job import Message
from pool_worker.protocols.asked import refuse_value, text_of
from pool_worker.protocols.shapes import called_function, check_speaker, parts_of, picture_of

_KINDS = {"user": ("text", "image_url"), "assistant": ("text", "thinking")}
"""Of parts, by role; the others have texts alone."""

Rendered = dict[str, Any]


def render_message(message: Message, *, field: str) -> Rendered:
    """A message. Developers speak as the system, which is how the chat format reads them for older models.

    Raises:
        UnsupportedRequestError: the format has no way to say something in it; the reason names the field.
    """
    check_speaker(message, field=field)
    if message.tool_calls:
        calls = [_render_call(call, field=f"{field}.tool_calls[{number}]") for number, call in enumerate(message.tool_calls)]
        plan = _plan_of(message, field=field)
        return {"role": message.role, "tool_calls": calls, **({"tool_plan": plan} if plan else {})}
    content = _render_content(message, field=field)
    if message.role == "tool":
        return {"role": "tool", "content": content, "tool_call_id": text_of(message.tool_call_id, field=f"{field}.tool_call_id")}
    return {"role": "system" if message.role == "developer" else message.role, "content": content}


def _render_content(message: Message, *, field: str) -> str | list[Rendered]:
    """A text, or parts; nothing is an empty text, for the API demands one also of a silent tool."""
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    parts = parts_of(message, kinds=_KINDS.get(message.role, ("text",)), field=field)
    return [_render_part(part, field=place) for place, part in parts]


def _render_part(part: Rendered, *, field: str) -> Rendered:
    if part["type"] == "image_url":
        return part | {"image_url": picture_of(part.get("image_url"), field=f"{field}.image_url")}
    return part


def _plan_of(message: Message, *, field: str) -> str:
    """What the model said beside its calls, which the API takes as its plan."""
    texts = []
    for place, part in parts_of(message, kinds=_KINDS["assistant"], field=field):
        if part["type"] != "text":
            refuse_value(f"{place}.type", part["type"], "text beside tool calls")
        texts.append(part["text"])
    return "".join(texts)


def _render_call(call: Mapping[str, Any], *, field: str) -> Rendered:
    function = called_function(call, field=field)
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        refuse_value(f"{field}.function.arguments", arguments, "a text")
    words = {name: function[name] for name in ("name", "arguments") if name in function}
    return {"id": text_of(call.get("id"), field=f"{field}.id"), "type": "function", "function": words}
