"""Writing a request of Cohere's chat.

What a job may say and Cohere has no word for is refused by the name of the field (`UnsupportedRequestError`): nothing that the
job asks for is left out silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Never

from pool_client.job import Job, Message
from pool_worker.errors import UnsupportedRequestError

_NAMES = {"temperature": "temperature", "top_p": "p", "stop": "stop_sequences", "seed": "seed"}
"""Our name → Cohere's."""
_RANGES = {"temperature": (0, 1), "top_p": (0.01, 0.99), "seed": (0, 2**64 - 1)}
"""Smallest and largest value, where a job may name others."""
_FIELDS_OF_PARTS = {"text": {"type", "text"}, "thinking": {"type", "thinking"}, "image_url": {"type", "image_url"}}
_PARTS_OF_ROLES = {"user": ("text", "image_url"), "assistant": ("text", "thinking")}
_FIELDS_OF_ROLES = {"assistant": {"tool_calls"}, "tool": {"tool_call_id"}}


def render_request(job: Job, *, model_name: str, max_tokens: int | None) -> dict[str, Any]:
    """The body of a request: only what the job sets, and nothing of its metadata.

    Raises:
        UnsupportedRequestError: Cohere has no way to say what the job asks for; the reason names the field.
    """
    messages = [_render_message(message, where=f"messages[{place}]") for place, message in enumerate(job.messages)]
    body: dict[str, Any] = {"model": model_name, "messages": messages, "stream": job.stream}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    for name, theirs in _NAMES.items():
        value = getattr(job, name)
        if value is None:
            continue
        if name in _RANGES and not _RANGES[name][0] <= value <= _RANGES[name][1]:
            _refuse(name, f"{value}: it goes from {_RANGES[name][0]} to {_RANGES[name][1]}")
        body[theirs] = value
    return body | _render_tools(job) | _render_response_format(job)


def _render_message(message: Message, *, where: str) -> dict[str, Any]:
    """A message; developers speak as the system, which is how the chat format reads them for older models."""
    role = "system" if message.role == "developer" else message.role
    for name in {"name", "tool_calls", "tool_call_id"} - _FIELDS_OF_ROLES.get(role, set()):
        if getattr(message, name) is not None:
            _refuse(f"{where}.{name}", f"of a message of the {role}")
    rendered: dict[str, Any] = {"role": role}
    if message.content is not None:
        rendered["content"] = _render_content(message.content, role=role, where=f"{where}.content")
    elif role == "tool":
        rendered["content"] = ""  # the API demands it of a tool's answer, also of a silent one
    if message.tool_calls:
        rendered["tool_calls"] = [
            _render_call(call, where=f"{where}.tool_calls[{place}]") for place, call in enumerate(message.tool_calls)
        ]
        plan = _words_of(rendered.pop("content", ""), where=f"{where}.content")
        if plan:  # beside calls, the API takes what the model said as its plan
            rendered["tool_plan"] = plan
    if message.tool_call_id is not None:
        rendered["tool_call_id"] = message.tool_call_id
    return rendered


def _render_content(content: str | list[dict[str, Any]], *, role: str, where: str) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    for place, part in enumerate(content):
        kind = str(part.get("type"))
        if kind not in _PARTS_OF_ROLES.get(role, ("text",)):
            _refuse(f"{where}[{place}].type", f"{kind!r} of a message of the {role}")
        _only(part, _FIELDS_OF_PARTS[kind], where=f"{where}[{place}]")
        if isinstance(image := part.get("image_url"), Mapping):
            _only(image, {"url", "detail"}, where=f"{where}[{place}].image_url")
    return content


def _words_of(content: str | list[dict[str, Any]], *, where: str) -> str:
    """A text, or the texts of its parts."""
    if isinstance(content, str):
        return content
    if any(part["type"] != "text" for part in content):
        _refuse(where, "other than text beside tool calls")
    return "".join(str(part.get("text", "")) for part in content)


def _render_call(call: dict[str, Any], *, where: str) -> dict[str, Any]:
    """A call that the model made; other providers' notes in it (a place, a signature) are for them alone."""
    function = call.get("function")
    if not isinstance(function, Mapping):
        _refuse(f"{where}.type", repr(call.get("type")))
    words = {name: function[name] for name in ("name", "arguments") if name in function}
    return {"id": call.get("id"), "type": "function", "function": words}


def _render_tools(job: Job) -> dict[str, Any]:
    """Tools and whether to use them. Cohere is strict about the arguments of all tools, or of none."""
    rendered: dict[str, Any] = {}
    if job.tools:
        rendered["tools"] = [_render_tool(tool, where=f"tools[{place}]") for place, tool in enumerate(job.tools)]
        strict = {bool(tool["function"].get("strict")) for tool in job.tools}
        if len(strict) > 1:
            _refuse("tools[].function.strict", "of some tools and not of others")
        if True in strict:
            rendered["strict_tools"] = True
    if job.tool_choice is not None and job.tool_choice != "auto":
        if job.tool_choice not in ("required", "none"):
            _refuse("tool_choice", "other than auto, required or none")
        rendered["tool_choice"] = str(job.tool_choice).upper()
    return rendered


def _render_tool(tool: dict[str, Any], *, where: str) -> dict[str, Any]:
    """A function; without parameters, which Cohere wants to be told, it is one that takes none."""
    function = tool.get("function")
    if tool.get("type", "function") != "function" or not isinstance(function, Mapping):
        _refuse(f"{where}.type", repr(tool.get("type")))
    _only(tool, {"type", "function"}, where=where)
    _only(function, {"name", "description", "parameters", "strict"}, where=f"{where}.function")
    words = {name: function[name] for name in ("name", "description", "parameters") if function.get(name) is not None}
    return {"type": "function", "function": {"parameters": {"type": "object", "properties": {}}, **words}}


def _render_response_format(job: Job) -> dict[str, Any]:
    """JSON, by a schema or by none, which Cohere refuses beside tools."""
    wanted = job.response_format
    if wanted is None:
        return {}
    kind = wanted.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        _refuse("response_format.type", repr(kind))
    if job.tools and kind != "text":
        _refuse("response_format", "beside tools")
    if kind == "json_schema":
        _only(wanted, {"type", "json_schema"}, where="response_format")
        return {"response_format": {"type": "json_object", "json_schema": _schema_in(wanted.get("json_schema"))}}
    _only(wanted, {"type"}, where="response_format")
    return {"response_format": wanted}


def _schema_in(named: object) -> Mapping[str, Any]:
    """The schema alone: its name is a label, and Cohere keeps to every schema as if it were `strict`."""
    schema = named.get("schema") if isinstance(named, Mapping) else None
    if not isinstance(named, Mapping) or not isinstance(schema, Mapping):
        _refuse("response_format.json_schema", "without a schema")
    _only(named, {"name", "schema", "strict"}, where="response_format.json_schema")
    return schema


def _only(said: Mapping[str, Any], known: set[str], *, where: str) -> None:
    for name in said:
        if name not in known:
            _refuse(f"{where}.{name}", "at all")


def _refuse(field: str, what: str) -> Never:
    reason = f"Cohere's format cannot say {field} {what}"
    raise UnsupportedRequestError(reason)
