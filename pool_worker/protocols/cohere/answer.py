"""Reading an answer of Cohere's chat.

Citations and log probabilities are not read: an `Answer` has no place for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pool_client.job import Usage
from pool_worker.protocols import error_body
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.error_body import ErrorBody, parse_error
from pool_worker.protocols.fields import count, refuse, text_or_none

_FINISH_REASONS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}
_FAILED = ("ERROR", "TIMEOUT")


def find_error(body: object) -> ErrorBody | None:
    """The error in place of an answer or at the end of a stream.

    An answer that ended in ERROR or TIMEOUT is one: it is well-formed and says of itself that generating it failed, so it is a
    failure of the provider (`ProviderFailedError`, charged), not an answer that cannot be understood.
    """
    if not isinstance(body, Mapping):
        return None
    if isinstance(body.get("message"), str):  # as in a refusal; an answer's message is an object
        return parse_error(body)
    delta = body.get("delta")
    end = delta if body.get("type") == "message-end" and isinstance(delta, Mapping) else body
    reason, words = text_or_none(end.get("finish_reason")), text_or_none(end.get("error"))
    if reason in _FAILED or words:
        return parse_error({"message": words or f"the answer ended with {reason}", "code": reason})
    return error_body.find_error(body)


def parse_answer(body: object) -> Answer:
    """Reads a decoded answer in which `find_error` found none.

    Strict about what the answer is made of, lenient about what surrounds it: an answer that was paid for is not thrown away
    because its token count is nonsense, it is marked `usage_reported=False`.

    Raises:
        BadAnswerError: No message, or a content or tool calls of a wrong type; the reason names the field.
    """
    if not isinstance(body, Mapping):
        refuse("body", body, "an object")
    message = body.get("message")
    if not isinstance(message, Mapping):
        refuse("message", message, "an object")
    content, thinking = _parse_content(message.get("content"))
    usage = parse_usage(body.get("usage"))
    return Answer(
        content=content,
        finish_reason=finish_reason_of(body),
        tool_calls=_parse_tool_calls(message.get("tool_calls")),
        usage=usage or Usage(),
        model=None,
        usage_reported=usage is not None,
        reasoning=thinking or text_or_none(message.get("tool_plan")) or "",
    )


def finish_reason_of(end: Mapping[str, Any]) -> str | None:
    """Why an answer ended, in the words of the chat completions API where it has one."""
    reason = text_or_none(end.get("finish_reason"))
    return None if reason is None else _FINISH_REASONS.get(reason, reason.lower())


def part_text(part: Mapping[str, Any], name: str, *, where: str) -> str:
    """The text in a part of a content, or in a piece of one; empty if it has none of this name.

    Raises:
        BadAnswerError: it is no text.
    """
    text = part.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        refuse(f"{where}.{name}", text, "a string")
    return text


def _parse_content(content: object) -> tuple[str, str]:
    """What was said and what was thought: a list of parts of type text and thinking, null beside tool calls."""
    if content is None:
        return "", ""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        refuse("message.content", content, "a list")
    said, thought = [], []
    for part in content:
        if not isinstance(part, Mapping):
            refuse("message.content[]", part, "an object")
        if part.get("type") == "text":
            said.append(part_text(part, "text", where="message.content[]"))
        elif part.get("type") == "thinking":
            thought.append(part_text(part, "thinking", where="message.content[]"))
    return "".join(said), "".join(thought)


def _parse_tool_calls(calls: object) -> list[dict[str, Any]] | None:
    if calls is None or calls == []:
        return None
    if not isinstance(calls, list):
        refuse("message.tool_calls", calls, "a list")
    return [_parse_call(call, place=place) for place, call in enumerate(calls)]


def _parse_call(call: object, *, place: int) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        refuse("message.tool_calls[].function", function, "an object with a name")
    arguments = part_text(function, "arguments", where="message.tool_calls[].function")
    return new_call(call, name=function["name"], arguments=arguments, place=place)


def new_call(call: Mapping[str, Any], *, name: str, arguments: str, place: int) -> dict[str, Any]:
    """A tool call in the shape of the chat completions API."""
    identity = text_or_none(call.get("id")) or f"call_{place}"
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def parse_usage(usage: object) -> Usage | None:
    """The tokens that were processed, else those that were billed; None if neither is there, or not to be believed.

    `{"tokens": {"input_tokens", "output_tokens"}, "billed_units": {…the same…}, "cached_tokens"}`. What is billed leaves out what
    Cohere adds to a prompt, which counts against a model's context.
    """
    if not isinstance(usage, Mapping):
        return None
    for name in ("tokens", "billed_units"):
        counts = usage.get(name)
        if isinstance(counts, Mapping):
            input_tokens, output_tokens = _count(counts.get("input_tokens")), _count(counts.get("output_tokens", 0))
            if input_tokens is not None and output_tokens is not None:
                cached = min(_count(usage.get("cached_tokens")) or 0, input_tokens)
                return Usage(input_tokens=input_tokens, output_tokens=output_tokens, cached_tokens=cached)
    return None


def _count(value: object) -> int | None:
    """A count, which Cohere writes as 12.0."""
    return count(int(value) if isinstance(value, float) and value.is_integer() else value)
