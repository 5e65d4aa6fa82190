"""Putting an answer of Cohere's chat together from the events of a stream.

Source: https://docs.cohere.com/v2/docs/streaming, and the types of its Python client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pool_client.job import Usage
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.cohere.answer import finish_reason_of, new_call, parse_usage, part_text
from pool_worker.protocols.fields import MOST_TOOL_CALLS, ended_too_early, refuse, text_or_none

_MESSAGE = "delta.message"


class CohereStream:
    """See `protocol.AnswerStream`."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._thinking: list[str] = []
        self._plan: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._arguments: dict[int, list[str]] = {}
        self._usage: Usage | None = None
        self._finish_reason: str | None = None

    def add(self, event: object) -> str:
        """Take an event without an error; those that bring no piece of the answer (citations, debug) add nothing."""
        if not isinstance(event, Mapping):
            refuse("event", event, "an object")
        delta = event.get("delta")
        if not isinstance(delta, Mapping):
            return ""
        message = delta.get("message")
        match event.get("type"):
            case "message-end":
                self._finish_reason = finish_reason_of(delta) or self._finish_reason
                self._usage = parse_usage(delta.get("usage")) or self._usage
            case "content-start" | "content-delta":
                return self._add_content(_object(_object(message, _MESSAGE).get("content"), f"{_MESSAGE}.content"))
            case "tool-plan-delta":
                self._plan.append(part_text(_object(message, _MESSAGE), "tool_plan", where=_MESSAGE))
            case "tool-call-start" | "tool-call-delta":
                call = _object(_object(message, _MESSAGE).get("tool_calls"), f"{_MESSAGE}.tool_calls")
                self._add_call(call, index=event.get("index", 0))
        return ""

    def answer(self) -> Answer:
        """The whole; a stream has ended well when it said why."""
        if self._finish_reason is None:
            ended_too_early()
        return Answer(
            content="".join(self._content),
            finish_reason=self._finish_reason,
            tool_calls=[self._call(index) for index in sorted(self._calls)] or None,
            usage=self._usage or Usage(),
            model=None,
            reasoning="".join(self._thinking) or "".join(self._plan),
            usage_reported=self._usage is not None,
        )

    def _add_content(self, content: Mapping[str, Any]) -> str:
        self._thinking.append(part_text(content, "thinking", where=f"{_MESSAGE}.content"))
        text = part_text(content, "text", where=f"{_MESSAGE}.content")
        self._content.append(text)
        return text

    def _add_call(self, call: Mapping[str, Any], *, index: object) -> None:
        """The first piece of a tool call brings its id and name, each some of its arguments."""
        if not isinstance(index, int) or not 0 <= index < MOST_TOOL_CALLS:
            refuse("index", index, f"a number below {MOST_TOOL_CALLS}")
        where = f"{_MESSAGE}.tool_calls.function"
        function = _object(call.get("function"), where)
        if index not in self._calls:
            name = text_or_none(function.get("name"))
            if name is None:
                refuse(f"{where}.name", function.get("name"), "a string")
            self._calls[index] = new_call(call, name=name, arguments="", place=index)
            self._arguments[index] = []
        self._arguments[index].append(part_text(function, "arguments", where=where))

    def _call(self, index: int) -> dict[str, Any]:
        call = self._calls[index]
        return {**call, "function": {**call["function"], "arguments": "".join(self._arguments[index])}}


def _object(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        refuse(field, value, "an object")
    return value
