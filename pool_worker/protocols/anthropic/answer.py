"""Reading a message of the Messages API.

Its `content` is a list of blocks. Of these we know `text`, `thinking` and `tool_use`; all others (redacted thinking, the server's
own tools, what is still to come) are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from pool_client.job import Usage
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.fields import count, part_of, refuse, text_or_none

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Its stop reasons in the words of the chat completions API; any other stays as it is."""
_CACHE_FIELDS = ("cache_creation_input_tokens", "cache_read_input_tokens")


@dataclass(slots=True)
class Block:
    """A block of an answer, whole or still growing."""

    kind: str
    """`text`, `thinking`, `tool_use`; empty: nobody wants to read it."""
    pieces: list[str] = field(default_factory=list)
    """Its text, or the arguments of a call as JSON."""
    call_id: str = ""
    name: str = ""


def parse_answer(body: object) -> Answer:
    """Reads a decoded answer; an answer that was paid for is kept though its token count is nonsense.

    Raises:
        BadAnswerError: No content, or blocks of it of a wrong type; the reason names the field.
    """
    if not isinstance(body, Mapping):
        refuse("body", body, "an object")
    content = body.get("content")
    if not isinstance(content, list):
        refuse("content", content, "a list")
    blocks = (read_block(block, where="content[]") for block in content)
    return assemble(blocks, stop_reason=body.get("stop_reason"), usage=body.get("usage"), model=body.get("model"))


def read_block(block: object, *, where: str) -> Block:
    """A block, as it stands in a message or at the beginning of one in a stream.

    Raises:
        BadAnswerError: It is not what its type says; the reason names the field.
    """
    if not isinstance(block, Mapping):
        refuse(where, block, "an object")
    kind = text_or_none(block.get("type"))
    if kind == "tool_use":
        return _read_call(block, where=where)
    if kind not in {"text", "thinking"}:
        return Block("")
    text = block.get(kind)
    if not isinstance(text, str):
        refuse(f"{where}.{kind}", text, "a string")
    return Block(kind, [text])


def assemble(blocks: Iterable[Block], *, stop_reason: object, usage: object, model: object) -> Answer:
    """The answer that these blocks make, in the words of the chat completions API."""
    by_kind: dict[str, list[Block]] = {"text": [], "thinking": [], "tool_use": []}
    for block in blocks:
        if block.kind:
            by_kind[block.kind].append(block)
    reason = text_or_none(stop_reason)
    counted = parse_usage(usage)
    return Answer(
        content="".join(piece for block in by_kind["text"] for piece in block.pieces),
        finish_reason=FINISH_REASONS.get(reason, reason) if reason else None,
        tool_calls=[_call(block) for block in by_kind["tool_use"]] or None,
        usage=counted or Usage(),
        model=text_or_none(model),
        reasoning="".join(piece for block in by_kind["thinking"] for piece in block.pieces),
        usage_reported=counted is not None,
    )


def parse_usage(usage: object) -> Usage | None:
    """The counts of `usage`; None if they are not there, or not to be believed.

    Its `input_tokens` are only those that no cache had to do with; ours are all. Those written to a cache cost more there than
    others, but there are none unless a request asks for it, and none of ours does.
    """
    if not isinstance(usage, Mapping):
        return None
    plain, output_tokens = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    written, read = (0 if usage.get(name) is None else count(usage.get(name)) for name in _CACHE_FIELDS)
    if plain is None or output_tokens is None or written is None or read is None:
        return None
    input_tokens = count(plain + written + read)
    if input_tokens is None:
        return None
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=read,
        reasoning_tokens=part_of(output_tokens, usage.get("output_tokens_details"), "thinking_tokens"),
    )


def _read_call(block: Mapping[str, Any], *, where: str) -> Block:
    call_id, name, arguments = block.get("id"), block.get("name"), block.get("input")
    if not isinstance(call_id, str):
        refuse(f"{where}.id", call_id, "a string")
    if not isinstance(name, str):
        refuse(f"{where}.name", name, "a string")
    if not isinstance(arguments, Mapping):
        refuse(f"{where}.input", arguments, "an object")
    try:
        pieces = [orjson.dumps(arguments).decode()] if arguments else []
    except TypeError:
        refuse(f"{where}.input", arguments, "an object that can be written again")
    return Block("tool_use", pieces, call_id=call_id, name=name)


def _call(block: Block) -> dict[str, Any]:
    arguments = "".join(block.pieces) or "{}"
    return {"id": block.call_id, "type": "function", "function": {"name": block.name, "arguments": arguments}}
