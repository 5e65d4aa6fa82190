"""Reading a GenerateContentResponse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from pool_client.job import Usage
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.fields import count, part_of, refuse, text_or_none

FILTERED = "content_filter"
_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), FILTERED),
}
_PARTS = "candidates[0].content.parts"


@dataclass(slots=True)
class Said:
    """What the parts of a candidate say, of a whole answer or of one event of a stream."""

    text: str = ""
    reasoning: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)


def parse_answer(body: object) -> Answer:
    """Reads a decoded answer.

    Strict about what the answer is made of, lenient about what surrounds it, as in the chat format. A prompt that was blocked
    has no candidates, and is an empty answer that the content filter ended.

    Raises:
        BadAnswerError: No candidates, or parts of a wrong type; the reason names the field.
    """
    if not isinstance(body, Mapping):
        refuse("body", body, "an object")
    candidate = first_candidate(body)
    if candidate is None and not is_blocked(body):
        refuse("candidates", body.get("candidates"), "a list with at least one candidate")
    said = Said() if candidate is None else parse_parts(candidate)
    reason = None if candidate is None else text_or_none(candidate.get("finishReason"))
    if candidate is not None and reason is None and not isinstance(candidate.get("content"), Mapping):
        refuse("candidates[0].content", candidate.get("content"), "an object")
    usage = parse_usage(body.get("usageMetadata"))
    return Answer(
        content=said.text,
        finish_reason=FILTERED if candidate is None else finish_reason(reason, called=bool(said.calls)),
        tool_calls=said.calls or None,
        usage=usage or Usage(),
        model=text_or_none(body.get("modelVersion")),
        usage_reported=usage is not None,
        reasoning=said.reasoning,
    )


def first_candidate(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The only candidate there is; None if there is none.

    Raises:
        BadAnswerError: there is something else in its place.
    """
    candidates = body.get("candidates")
    if candidates is None or candidates == []:
        return None
    if not isinstance(candidates, list):
        refuse("candidates", candidates, "a list")
    if not isinstance(candidates[0], Mapping):
        refuse("candidates[0]", candidates[0], "an object")
    return candidates[0]


def is_blocked(body: Mapping[str, Any]) -> bool:
    """Whether the content filter refused the prompt."""
    feedback = body.get("promptFeedback")
    return isinstance(feedback, Mapping) and text_or_none(feedback.get("blockReason")) is not None


def finish_reason(reason: str | None, *, called: bool) -> str | None:
    """In the words of the chat completions API, where it has one."""
    if reason == "STOP" and called:
        return "tool_calls"
    return None if reason is None else _REASONS.get(reason, reason.lower())


def parse_parts(candidate: Mapping[str, Any], *, calls_before: int = 0) -> Said:
    """What a candidate says; parts that are neither text nor calls (pictures, code that was run) are passed over.

    Raises:
        BadAnswerError: parts of a wrong type; the reason names the field.
    """
    said = Said()
    for part in _parts(candidate):
        if not isinstance(part, Mapping):
            refuse(f"{_PARTS}[]", part, "an object")
        if part.get("functionCall") is not None:
            said.calls.append(_parse_call(part, number=calls_before + len(said.calls)))
        text = part.get("text")
        if not isinstance(text, str | None):
            refuse(f"{_PARTS}[].text", text, "a string")
        if part.get("thought") is True:
            said.reasoning += text or ""
        else:
            said.text += text or ""
    return said


def _parts(candidate: Mapping[str, Any]) -> list[object]:
    """Empty when there is no content, as after a refusal, or when thinking took all the tokens there were."""
    content = candidate.get("content")
    if not isinstance(content, Mapping | None):
        refuse("candidates[0].content", content, "an object")
    parts = (content or {}).get("parts")
    if not isinstance(parts, list | None):
        refuse(_PARTS, parts, "a list")
    return parts or []


def _parse_call(part: Mapping[str, Any], *, number: int) -> dict[str, Any]:
    """A call as the chat completions API has it.

    Its thought signature, which the next request must bring back, goes where Google's compatible endpoint puts it.
    """
    call = part["functionCall"]
    if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
        refuse(f"{_PARTS}[].functionCall", call, "an object with a name")
    args = call.get("args", {})
    if not isinstance(args, Mapping):
        refuse(f"{_PARTS}[].functionCall.args", args, "an object")
    try:
        arguments = orjson.dumps(args).decode()
    except orjson.JSONEncodeError:
        refuse(f"{_PARTS}[].functionCall.args", args, "an object that JSON can carry")
    parsed: dict[str, Any] = {
        "id": text_or_none(call.get("id")) or f"call_{number}",
        "type": "function",
        "function": {"name": call["name"], "arguments": arguments},
    }
    signature = text_or_none(part.get("thoughtSignature"))
    if signature:
        parsed["extra_content"] = {"google": {"thought_signature": signature}}
    return parsed


def parse_usage(usage: object) -> Usage | None:
    """The counts of `usageMetadata`; None if they are not there, or not to be believed. Thoughts are part of the output."""
    if not isinstance(usage, Mapping):
        return None
    prompt, tool_results = count(usage.get("promptTokenCount")), count(usage.get("toolUsePromptTokenCount", 0))
    candidates, thoughts = count(usage.get("candidatesTokenCount", 0)), count(usage.get("thoughtsTokenCount", 0))
    if prompt is None or tool_results is None or candidates is None or thoughts is None:
        return None
    return Usage(
        input_tokens=prompt + tool_results,
        output_tokens=candidates + thoughts,
        cached_tokens=part_of(prompt, usage, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
    )
