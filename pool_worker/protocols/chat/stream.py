"""Putting a chat completion together from the pieces of a stream.

Source: https://platform.openai.com/docs/api-reference/chat/streaming.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pool_client.job import Usage
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.chat.answer import parse_usage, reasoning_in
from pool_worker.protocols.fields import MOST_TOOL_CALLS, ended_too_early, refuse, text_or_none


class ChatStream:
    """See `protocol.AnswerStream`."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._usage: Usage | None = None
        self._model: str | None = None
        self._finish_reason: str | None = None

    def add(self, event: object) -> str:
        """Take a `chat.completion.chunk`; one without choices brings the usage, or nothing."""
        if not isinstance(event, Mapping):
            refuse("event", event, "an object")
        self._model = self._model or text_or_none(event.get("model"))
        self._usage = parse_usage(event.get("usage")) or self._usage
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, Mapping):
            return ""
        self._finish_reason = text_or_none(choice.get("finish_reason")) or self._finish_reason
        delta = choice.get("delta")
        return self._add_delta(delta) if isinstance(delta, Mapping) else ""

    def answer(self) -> Answer:
        """The whole; a stream has ended well when it said why."""
        if self._finish_reason is None:
            ended_too_early()
        return Answer(
            content="".join(self._content),
            finish_reason=self._finish_reason,
            tool_calls=[self._calls[index] for index in sorted(self._calls)] or None,
            usage=self._usage or Usage(),
            model=self._model,
            reasoning="".join(self._reasoning),
            usage_reported=self._usage is not None,
        )

    def _add_delta(self, delta: Mapping[str, Any]) -> str:
        self._reasoning.append(reasoning_in(delta))
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            self._add_call(call)
        text = delta.get("content")
        if text is None:
            text = delta.get("refusal") or ""
        if not isinstance(text, str):
            refuse("choices[0].delta.content", text, "a string")
        self._content.append(text)
        return text

    def _add_call(self, piece: object) -> None:
        """Pieces of a tool call carry its place; the first its id and name, each some of its arguments."""
        index = piece.get("index", 0) if isinstance(piece, Mapping) else None
        function = piece.get("function") if isinstance(piece, Mapping) else None
        if not isinstance(piece, Mapping) or not isinstance(index, int) or not 0 <= index < MOST_TOOL_CALLS:
            refuse("choices[0].delta.tool_calls[]", piece, f"an object with an index below {MOST_TOOL_CALLS}")
        if not isinstance(function, Mapping):
            refuse("choices[0].delta.tool_calls[].function", function, "an object")
        name, arguments = text_or_none(function.get("name")), text_or_none(function.get("arguments"))
        if index not in self._calls:
            if name is None:
                refuse("choices[0].delta.tool_calls[].function.name", name, "a string")
            empty = {"name": name, "arguments": ""}
            self._calls[index] = {"id": text_or_none(piece.get("id")) or f"call_{index}", "type": "function", "function": empty}
        self._calls[index]["function"]["arguments"] += arguments or ""
