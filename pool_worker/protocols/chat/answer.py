"""Reading a chat completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pool_client.job import Usage
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.fields import MOST_LEVELS, count, nests_too_deep, part_of, refuse, text_or_none

_REASONING_FIELDS = ("reasoning", "reasoning_content")
"""Groq's and OpenRouter's name for it, and DeepSeek's."""


def parse_answer(body: object) -> Answer:
    """Reads a decoded answer.

    Strict about what the answer is made of, lenient about what surrounds it: an answer that was paid for is not thrown away
    because its token count is nonsense, it is marked `usage_reported=False`.

    Raises:
        BadAnswerError: No choices, or a content or tool calls of a wrong type; the reason names the field.
    """
    if not isinstance(body, Mapping):
        refuse("body", body, "an object")
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        refuse("choices", choices, "a list with at least one choice")
    choice = choices[0]
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(message, Mapping):
        refuse("choices[0].message", message, "an object")
    usage = parse_usage(body.get("usage"))
    return Answer(
        content=_parse_content(message),
        finish_reason=text_or_none(choice.get("finish_reason")),
        tool_calls=_parse_tool_calls(message.get("tool_calls")),
        usage=usage or Usage(),
        model=text_or_none(body.get("model")),
        usage_reported=usage is not None,
        reasoning=reasoning_in(message),
    )


def reasoning_in(message: Mapping[str, Any]) -> str:
    """What a message, or a piece of one, tells of the model's thinking."""
    return next((text for name in _REASONING_FIELDS if (text := text_or_none(message.get(name)))), "")


def _parse_content(message: Mapping[str, Any]) -> str:
    """The text: a string, null (a refusal stands in for it), or a list of parts of which those of type text are the answer."""
    content = message.get("content")
    if content is None:
        return text_or_none(message.get("refusal")) or ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        refuse("choices[0].message.content", content, "a string")
    return "".join(_parse_part(part) for part in content)


def _parse_part(part: object) -> str:
    if not isinstance(part, Mapping):
        refuse("choices[0].message.content[]", part, "an object")
    if part.get("type") != "text":
        return ""
    text = part.get("text")
    if not isinstance(text, str):
        refuse("choices[0].message.content[].text", text, "a string")
    return text


def _parse_tool_calls(calls: object) -> list[dict[str, Any]] | None:
    if calls is None or calls == []:
        return None
    if not isinstance(calls, list):
        refuse("choices[0].message.tool_calls", calls, "a list")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            refuse("choices[0].message.tool_calls[].function", function, "an object with a name")
        if not isinstance(function.get("arguments", ""), str):
            refuse("choices[0].message.tool_calls[].function.arguments", function["arguments"], "a string")
        if nests_too_deep(call):
            refuse("choices[0].message.tool_calls[]", call, f"an object of at most {MOST_LEVELS} levels")
    return calls


def parse_usage(usage: object) -> Usage | None:
    """The counts of `usage`; None if they are not there, or not to be believed. Reasoning is part of the output."""
    if not isinstance(usage, Mapping):
        return None
    input_tokens, output_tokens = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens", 0))
    if input_tokens is None or output_tokens is None:
        return None
    output_tokens += _apart(usage, input_tokens + output_tokens)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=part_of(input_tokens, usage.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=part_of(output_tokens, usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


def _apart(usage: Mapping[str, Any], counted: int) -> int:
    """The tokens of reasoning, where they are no part of `completion_tokens` (xAI): the total then has them besides."""
    details = usage.get("completion_tokens_details")
    reasoning = count(details.get("reasoning_tokens")) if isinstance(details, Mapping) else None
    return reasoning if reasoning and count(usage.get("total_tokens")) == counted + reasoning else 0
