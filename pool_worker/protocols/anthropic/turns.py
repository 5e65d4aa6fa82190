"""A conversation, from the shape of the chat completions API to Anthropic's.

There, only two speak, `user` and `assistant`, in turns: what one of them says in a row is one turn of several blocks, and the
results of tools are blocks of the user's turn, all of them in the one that follows the calls. What the system says stands apart.
A turn (and a system prompt) of one plain text is that text, without a block around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import orjson

from pool_client.job import Message
from pool_worker.protocols.anthropic.unsupported import only_known, unsupported

PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})

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
        unsupported("messages", "nobody but the system speaks")
    turns = groupby(spoken, key=lambda each: _SPEAKERS[each[1].role])
    return [{"role": speaker, "content": _content(list(said))} for speaker, said in turns]


def _content(said: list[Numbered]) -> str | list[Block]:
    blocks = [block for index, message in said for block in _blocks(message, where=f"messages[{index}]")]
    first = said[0][1] if said else None
    if first is not None and len(said) == 1 and first.role != "tool" and isinstance(first.content, str) and not first.tool_calls:
        return first.content
    return blocks


def _blocks(message: Message, *, where: str) -> Iterator[Block]:
    if message.role == "tool":
        yield _tool_result(message, where=where)
        return
    if message.name is not None:
        unsupported(f"{where}.name", "speakers have no names")
    if message.tool_calls and message.role != "assistant":
        unsupported(f"{where}.tool_calls", "only the assistant calls tools")
    yield from _parts(message, where=where)
    for index, call in enumerate(message.tool_calls or ()):
        yield _tool_use(call, where=f"{where}.tool_calls[{index}]")


def _parts(message: Message, *, where: str) -> Iterator[Block]:
    if message.content is None:
        return
    parts = [{"type": "text", "text": message.content}] if isinstance(message.content, str) else message.content
    for index, part in enumerate(parts):
        place = f"{where}.content[{index}]"
        if part.get("type") == "image_url" and message.role in {"user", "tool"}:
            yield _picture(part, where=place)
            continue
        text = part.get("text")
        if part.get("type") != "text" or not isinstance(text, str):
            unsupported(place, f"the {message.role} cannot say a part of type {part.get('type')!r}")
        only_known(part, {"type", "text"}, where=place)
        if text.strip():  # the API refuses blank blocks, which assistants write beside their tool calls
            yield {"type": "text", "text": text}


def _picture(part: Mapping[str, Any], *, where: str) -> Block:
    """`{"type": "image_url", "image_url": {"url": "data:image/png;base64,…"}}`, or with an address instead."""
    picture = part.get("image_url")
    url = picture.get("url") if isinstance(picture, Mapping) else None
    if not isinstance(picture, Mapping) or not isinstance(url, str):
        unsupported(f"{where}.image_url", "it has no url")
    only_known(part, {"type", "image_url"}, where=where)
    only_known(picture, {"url"} if picture.get("detail") != "auto" else {"url", "detail"}, where=f"{where}.image_url")
    if url.startswith(("https://", "http://")):
        return {"type": "image", "source": {"type": "url", "url": url}}
    head, _, data = url.partition(",")
    media_type, *parameters = head.removeprefix("data:").split(";")
    if not head.startswith("data:") or parameters[-1:] != ["base64"] or media_type not in PICTURES:
        unsupported(f"{where}.image_url.url", f"it is neither an http address nor base64 of {', '.join(sorted(PICTURES))}")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _tool_use(call: Mapping[str, Any], *, where: str) -> Block:
    function = call.get("function")
    if call.get("type", "function") != "function" or not isinstance(function, Mapping):
        unsupported(where, "it calls no function")
    arguments = _arguments(function.get("arguments"), where=f"{where}.function.arguments")
    return {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": arguments}


def _arguments(text: object, *, where: str) -> dict[str, Any]:
    """The arguments as an object; none at all, or a blank text, are an empty one."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return {}
    try:
        arguments = orjson.loads(text) if isinstance(text, str) else None
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        unsupported(where, "they are no JSON object")
    return arguments


def _tool_result(message: Message, *, where: str) -> Block:
    if message.tool_call_id is None:
        unsupported(f"{where}.tool_call_id", "it is missing, and says whose answer this is")
    result: Block = {"type": "tool_result", "tool_use_id": message.tool_call_id}
    content = message.content if isinstance(message.content, str) else list(_parts(message, where=where))
    return result | {"content": content} if content else result
