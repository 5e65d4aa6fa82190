"""The chat completions format, which most providers speak.

Source: https://platform.openai.com/docs/api-reference/chat/create, and PROVIDERS.md §2 for who else speaks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Never

from pool_client.job import Job, Message, Usage
from pool_worker.errors import BadAnswerError
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.error_body import find_error
from pool_worker.protocols.protocol import Protocol

_OPTIONAL_FIELDS = ("temperature", "top_p", "stop", "seed", "tools", "tool_choice", "response_format")
_MAX_BELIEVABLE_TOKENS = 20_000_000
"""Twice the largest context window there is. A count above it would spend the day's budget on one answer."""


def render_request(job: Job, *, model_name: str, max_tokens: int | None) -> dict[str, Any]:
    """The body of a request for one whole answer: only what the job sets, and nothing of its metadata."""
    body: dict[str, Any] = {"model": model_name, "messages": [_render_message(message) for message in job.messages]}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    for name in _OPTIONAL_FIELDS:
        value = getattr(job, name)
        if value is not None:
            body[name] = value
    return body


def parse_answer(body: object) -> Answer:
    """Reads a decoded answer.

    Strict about what the answer is made of, lenient about what surrounds it: an answer that was paid for is not thrown away
    because its token count is nonsense, it is marked `usage_reported=False`.

    Raises:
        BadAnswerError: No choices, or a content or tool calls of a wrong type; the reason names the field.
    """
    if not isinstance(body, Mapping):
        _refuse("body", body, "an object")
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        _refuse("choices", choices, "a list with at least one choice")
    choice = choices[0]
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(message, Mapping):
        _refuse("choices[0].message", message, "an object")
    usage = _parse_usage(body.get("usage"))
    return Answer(
        content=_parse_content(message),
        finish_reason=_text_or_none(choice.get("finish_reason")),
        tool_calls=_parse_tool_calls(message.get("tool_calls")),
        usage=usage or Usage(),
        model=_text_or_none(body.get("model")),
        usage_reported=usage is not None,
    )


def _render_message(message: Message) -> dict[str, Any]:
    rendered: dict[str, Any] = {"role": message.role}
    if message.content is not None:
        rendered["content"] = message.content
    elif message.role == "tool":
        rendered["content"] = ""  # the API demands it of a tool's answer, also of a silent one
    if message.name is not None:
        rendered["name"] = message.name
    if message.tool_calls is not None:
        rendered["tool_calls"] = message.tool_calls
    if message.tool_call_id is not None:
        rendered["tool_call_id"] = message.tool_call_id
    return rendered


def _parse_content(message: Mapping[str, Any]) -> str:
    """The text: a string, null (a refusal stands in for it), or a list of parts of which those of type text are the answer."""
    content = message.get("content")
    if content is None:
        return _text_or_none(message.get("refusal")) or ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        _refuse("choices[0].message.content", content, "a string")
    return "".join(_parse_part(part) for part in content)


def _parse_part(part: object) -> str:
    if not isinstance(part, Mapping):
        _refuse("choices[0].message.content[]", part, "an object")
    if part.get("type") != "text":
        return ""
    text = part.get("text")
    if not isinstance(text, str):
        _refuse("choices[0].message.content[].text", text, "a string")
    return text


def _parse_tool_calls(calls: object) -> list[dict[str, Any]] | None:
    if calls is None or calls == []:
        return None
    if not isinstance(calls, list):
        _refuse("choices[0].message.tool_calls", calls, "a list")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            _refuse("choices[0].message.tool_calls[].function", function, "an object with a name")
        if not isinstance(function.get("arguments", ""), str):
            _refuse("choices[0].message.tool_calls[].function.arguments", function["arguments"], "a string")
    return calls


def _parse_usage(usage: object) -> Usage | None:
    if not isinstance(usage, Mapping):
        return None
    input_tokens, output_tokens = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens", 0))
    if input_tokens is None or output_tokens is None:
        return None
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens)


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MAX_BELIEVABLE_TOKENS else None


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _refuse(field: str, value: object, wanted: str) -> Never:
    found = "missing" if value is None else "empty" if value in ([], {}, "") else f"of type {type(value).__name__}"
    reason = f"the answer's {field} is {found}, not {wanted}"
    raise BadAnswerError(reason, charged=True)


CHAT = Protocol(
    path="/chat/completions",
    render_request=render_request,
    parse_answer=parse_answer,
    find_error=find_error,
)
