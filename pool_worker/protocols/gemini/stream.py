"""Putting an answer together from the GenerateContentResponses of a stream.

Each event has new parts, and the counts so far; calls come whole. The last one that has a candidate says why it ended.
Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pool_client.job import Usage
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.fields import ended_too_early, refuse, text_or_none
from pool_worker.protocols.gemini.answer import FILTERED, finish_reason, first_candidate, is_blocked, parse_parts, parse_usage


class GeminiStream:
    """See `protocol.AnswerStream`."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._usage: Usage | None = None
        self._model: str | None = None
        self._finish_reason: str | None = None
        self._is_blocked = False

    def add(self, event: object) -> str:
        """Take a GenerateContentResponse; one without candidates brings the usage, or tells that the prompt was blocked."""
        if not isinstance(event, Mapping):
            refuse("event", event, "an object")
        self._model = self._model or text_or_none(event.get("modelVersion"))
        self._usage = parse_usage(event.get("usageMetadata")) or self._usage
        self._is_blocked = self._is_blocked or is_blocked(event)
        candidate = first_candidate(event)
        if candidate is None:
            return ""
        said = parse_parts(candidate, calls_before=len(self._calls))
        self._finish_reason = text_or_none(candidate.get("finishReason")) or self._finish_reason
        self._content.append(said.text)
        self._reasoning.append(said.reasoning)
        self._calls += said.calls
        return said.text

    def answer(self) -> Answer:
        """The whole; a stream has ended well when it said why."""
        if self._finish_reason is None and not self._is_blocked:
            ended_too_early()
        return Answer(
            content="".join(self._content),
            finish_reason=finish_reason(self._finish_reason, called=bool(self._calls)) or FILTERED,
            tool_calls=self._calls or None,
            usage=self._usage or Usage(),
            model=self._model,
            reasoning="".join(self._reasoning),
            usage_reported=self._usage is not None,
        )
