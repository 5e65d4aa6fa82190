"""The four wire formats as plain HTTP: where to post what, and with which headers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson

from pool_worker.simulator.server import RunningSimulator

PROMPT = "Why did the backup fail?"


@dataclass(frozen=True)
class Wire:
    """One format, as it is asked for a text."""

    provider: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    stream_path: str | None = None
    streaming: dict[str, Any] = field(default_factory=lambda: {"stream": True})
    """What a body has more to ask for a stream."""

    def ask(self, http: httpx2.Client, simulator: RunningSimulator, *, stream: bool = False, **more: Any) -> httpx2.Response:
        """Post a request; what is None in `more` is left out."""
        path = self.stream_path or self.path if stream else self.path
        body = {**self.body, **(self.streaming if stream else {}), **more}
        content = {name: value for name, value in body.items() if value is not None}
        return http.post(f"{simulator.url}/{self.provider}{path}", json=content, headers=self.headers)


MESSAGES = [{"role": "user", "content": PROMPT}]
CHAT = Wire("openai", "/v1/chat/completions", {"model": "m", "messages": MESSAGES}, {"authorization": "Bearer sim-openai-1"})
ANTHROPIC = Wire(
    "anthropic",
    "/v1/messages",
    {"model": "m", "max_tokens": 500, "messages": MESSAGES},
    {"x-api-key": "sim-anthropic-1", "anthropic-version": "2023-06-01"},
)
GEMINI = Wire(
    "gemini",
    "/v1beta/models/m:generateContent",
    {"contents": [{"parts": [{"text": PROMPT}]}]},
    {"x-goog-api-key": "sim-gemini-1"},
    "/v1beta/models/m:streamGenerateContent?alt=sse",
    {},
)
COHERE = Wire("cohere", "/v2/chat", {"model": "m", "messages": MESSAGES}, {"authorization": "Bearer sim-cohere-1"})
WIRES = (CHAT, ANTHROPIC, GEMINI, COHERE)


def events_of(answer: httpx2.Response) -> list[tuple[str | None, Any]]:
    """The events of a stream: name (if any) and data, `[DONE]` as it is."""
    events = []
    for block in answer.text.split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        data = lines["data"]
        events.append((lines.get("event"), data if data == "[DONE]" else orjson.loads(data)))
    return events
