"""Putting a message together from the events of a stream.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. Events of an unknown type are to be ignored, it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pool_worker.errors import BadAnswerError
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.anthropic.answer import Block, assemble, read_block
from pool_worker.protocols.fields import count, ended_too_early, refuse, text_or_none

MOST_BLOCKS = 1024
"""Far more than any answer has; an index beyond would be a mistake, or meant to fill the memory."""

_DELTAS = {
    ("text", "text_delta"): "text",
    ("thinking", "thinking_delta"): "thinking",
    ("tool_use", "input_json_delta"): "partial_json",
}
"""What a block grows by: its kind and the delta's type → the delta's field. Any other (signatures, citations) is left out."""


class AnthropicStream:
    """See `protocol.AnswerStream`."""

    def __init__(self) -> None:
        self._blocks: dict[int, Block] = {}
        self._usage: dict[str, Any] = {}
        self._model: str | None = None
        self._stop_reason: str | None = None

    def add(self, event: object) -> str:
        """Take an event; of `ping`, `content_block_stop` and `message_stop` nothing is to be learned."""
        if not isinstance(event, Mapping):
            refuse("event", event, "an object")
        match event.get("type"):
            case "message_start":
                self._start(event.get("message"))
            case "content_block_start":
                return self._open_block(event)
            case "content_block_delta":
                return self._grow_block(event)
            case "message_delta":
                self._end(event)
            case "error":
                reason = "the stream broke off with an error"
                raise BadAnswerError(reason, charged=True)
        return ""

    def answer(self) -> Answer:
        """The whole; a stream has ended well when it said why."""
        if self._stop_reason is None:
            ended_too_early()
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        return assemble(blocks, stop_reason=self._stop_reason, usage=self._usage, model=self._model)

    def _start(self, message: object) -> None:
        if not isinstance(message, Mapping):
            refuse("message_start.message", message, "an object")
        self._model = text_or_none(message.get("model"))
        self._count(message.get("usage"))

    def _end(self, event: Mapping[str, Any]) -> None:
        delta = event.get("delta")
        if isinstance(delta, Mapping):
            self._stop_reason = text_or_none(delta.get("stop_reason")) or self._stop_reason
        self._count(event.get("usage"))

    def _count(self, usage: object) -> None:
        """Counts are those so far, so that the later ones stand; null: nothing new."""
        if isinstance(usage, Mapping):
            self._usage |= {name: value for name, value in usage.items() if value is not None}

    def _open_block(self, event: Mapping[str, Any]) -> str:
        index = count(event.get("index"))
        if index is None or index >= MOST_BLOCKS:
            refuse("content_block_start.index", event.get("index"), f"a number below {MOST_BLOCKS}")
        if index in self._blocks:
            refuse("content_block_start.index", index, "that of a new block")
        block = read_block(event.get("content_block"), where="content_block_start.content_block")
        self._blocks[index] = block
        return block.pieces[0] if block.kind == "text" else ""

    def _grow_block(self, event: Mapping[str, Any]) -> str:
        index, delta = count(event.get("index")), event.get("delta")
        block = None if index is None else self._blocks.get(index)
        if block is None:
            refuse("content_block_delta.index", event.get("index"), "that of an open block")
        if not isinstance(delta, Mapping):
            refuse("content_block_delta.delta", delta, "an object")
        name = _DELTAS.get((block.kind, text_or_none(delta.get("type")) or ""))
        if name is None:
            return ""
        piece = delta.get(name)
        if not isinstance(piece, str):
            refuse(f"content_block_delta.delta.{name}", piece, "a string")
        block.pieces.append(piece)
        return piece if block.kind == "text" else ""
