"""Writing a chat completion request."""

from __future__ import annotations

from typing import Any

from pool_client.job import Job, Message

_OPTIONAL_FIELDS = ("temperature", "top_p", "stop", "seed", "tools", "tool_choice", "response_format")


def render_request(job: Job, *, model_name: str, max_tokens: int | None) -> dict[str, Any]:
    """The body of a request: only what the job sets, and nothing of its metadata."""
    body: dict[str, Any] = {"model": model_name, "messages": [_render_message(message) for message in job.messages]}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    for name in _OPTIONAL_FIELDS:
        value = getattr(job, name)
        if value is not None:
            body[name] = value
    if job.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _without_what_others_put_there(call: dict[str, Any]) -> dict[str, Any]:
    """Gemini signs its calls (`extra_content`); strict providers refuse fields that they do not know."""
    return {name: value for name, value in call.items() if name != "extra_content"}


def _render_message(message: Message) -> dict[str, Any]:
    rendered: dict[str, Any] = {"role": message.role}
    if message.content is not None:
        rendered["content"] = message.content
    elif message.role == "tool":
        rendered["content"] = ""  # the API demands it of a tool's answer, also of a silent one
    if message.name is not None:
        rendered["name"] = message.name
    if message.tool_calls is not None:
        rendered["tool_calls"] = [_without_what_others_put_there(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        rendered["tool_call_id"] = message.tool_call_id
    return rendered
