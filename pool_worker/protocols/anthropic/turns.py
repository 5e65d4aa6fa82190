"""A conversation, from the shape of the chat completions API to Anthropic's.

There, only two speak, `user` and `assistant`, in turns: what one of them says in a row is one turn of several blocks, and the
results of tools are blocks of the user's turn, all of them in the one that follows the calls. What the system says stands apart.
A turn (and a system prompt) of one plain text is that text, without a block around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from pool_client.job import Message
from pool_worker.protocols.asked import refuse, refuse_value, text_of
from pool_worker.protocols.shapes import arguments_of, called_function, check_speaker, inline_picture, parts_of, url_of

PICTURES = ("image/gif", "image/jpeg", "image/png", "image/webp")

_SYSTEM = frozenset({"system", "developer"})
_SPEAKERS = {"user": "user", "tool": "user", "assistant": "assistant"}

Block = dict[str, Any]
Numbered = tuple[int, Message]


def render_system(messages: Iterable[Message]) -> str | list[Block] | None:
    """What the system says, wherever in the conversation it stands; None if it says nothing."""
    return _content([each for each in enumerate(messages) if each[1].role in _SYSTEM]) or None


def render_turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The turns of user and assistant.

    Raises:
        UnsupportedRequestError: nobody but the system speaks, or a message holds what cannot be said; the reason names it.
    """
    spoken = [each for each in enumerate(messages) if each[1].role not in _SYSTEM]
    if not spoken:
        refuse("messages", "it must hold more than what the system says")
    turns = groupby(spoken, key=lambda each: _SPEAKERS[each[1].role])
    return [{"role": speaker, "content": _content(list(said))} for speaker, said in turns]


def _content(said: list[Numbered]) -> str | list[Block]:
    blocks = [block for index, message in said for block in _blocks(message, field=f"messages[{index}]")]
    first = said[0][1] if said else None
    if first is not None and len(said) == 1 and first.role != "tool" and isinstance(first.content, str) and not first.tool_calls:
        return first.content
    return blocks


def _blocks(message: Message, *, field: str) -> Iterator[Block]:
    check_speaker(message, field=field)
    if message.role == "tool":
        yield _tool_result(message, field=field)
        return
    yield from _parts(message, field=field)
    for index, call in enumerate(message.tool_calls or ()):
        yield _tool_use(call, field=f"{field}.tool_calls[{index}]")


def _parts(message: Message, *, field: str) -> Iterator[Block]:
    kinds = ("text", "image_url") if message.role in {"user", "tool"} else ("text",)
    for place, part in parts_of(message, kinds=kinds, field=field):
        if part["type"] == "image_url":
            yield _picture(part.get("image_url"), field=f"{place}.image_url")
        elif part["text"].strip():  # the API refuses blank blocks, which assistants write beside their tool calls
            yield {"type": "text", "text": part["text"]}


def _picture(picture: object, *, field: str) -> Block:
    url = url_of(picture, field=field)
    if url.startswith(("https://", "http://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    inline = inline_picture(url, field=f"{field}.url")
    if inline is None:
        refuse(f"{field}.url", "it must begin with https://, http:// or data:")
    media_type, data = inline
    if media_type not in PICTURES:
        refuse_value(f"{field}.url", media_type, f"a picture of type {' or '.join(PICTURES)}")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _tool_use(call: Mapping[str, Any], *, field: str) -> Block:
    function = called_function(call, field=field)
    arguments = arguments_of(function.get("arguments"), field=f"{field}.function.arguments")
    return {"type": "tool_use", "id": text_of(call.get("id"), field=f"{field}.id"), "name": function["name"], "input": arguments}


def _tool_result(message: Message, *, field: str) -> Block:
    result: Block = {"type": "tool_result", "tool_use_id": text_of(message.tool_call_id, field=f"{field}.tool_call_id")}
    content = message.content if isinstance(message.content, str) else list(_parts(message, field=field))
    return result | {"content": content} if content else result
