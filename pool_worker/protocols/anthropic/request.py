"""Writing a request to the Messages API.

What the format cannot say is refused before anything is sent, and nothing of a job is left out: another model may do. But for
these, which mean nothing there: the `name` of a tool's message (its id says whose answer it is), that of a JSON schema
(a label), and a schema's `strict` (there, every schema is kept to).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pool_client.job import Job
from pool_worker.protocols.anthropic.turns import render_system, render_turns
from pool_worker.protocols.anthropic.unsupported import only_known, unsupported

DEFAULT_MAX_TOKENS = 4096
"""The bound of an answer when neither the job nor the model has one, for the API demands one: every Claude can write as much."""
MAX_TEMPERATURE = 1.0

_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def render_request(job: Job, *, model_name: str, max_tokens: int | None) -> dict[str, Any]:
    """The body of a request.

    Raises:
        UnsupportedRequestError: the format has no way to say what the job asks for; the reason names the field.
    """
    if job.seed is not None:
        unsupported("seed", "there are no seeds")
    body: dict[str, Any] = {
        "model": model_name,
        "max_tokens": DEFAULT_MAX_TOKENS if max_tokens is None else max_tokens,
        "messages": render_turns(job.messages),
    }
    optional = {
        "system": render_system(job.messages),
        "temperature": _temperature(job.temperature),
        "top_p": job.top_p,
        "stop_sequences": job.stop,
        "tools": None if job.tools is None else [_tool(tool, where=f"tools[{i}]") for i, tool in enumerate(job.tools)],
        "tool_choice": None if job.tool_choice is None else _tool_choice(job.tool_choice),
        "output_config": None if job.response_format is None else _output_config(job.response_format),
        "stream": job.stream or None,
    }
    return body | {name: value for name, value in optional.items() if value is not None}


def _temperature(temperature: float | None) -> float | None:
    if temperature is not None and temperature > MAX_TEMPERATURE:
        unsupported("temperature", f"{temperature} is above {MAX_TEMPERATURE}, the highest there is")
    return temperature


def _tool(tool: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """`{"type": "function", "function": {"name", "description", "parameters", "strict"}}` → name, description, input_schema."""
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        unsupported(where, "it is no function")
    only_known(tool, {"type", "function"}, where=where)
    only_known(function, {"name", "description", "parameters", "strict"}, where=f"{where}.function")
    rendered = {"name": function.get("name"), "input_schema": function.get("parameters") or {"type": "object", "properties": {}}}
    return rendered | {name: function[name] for name in ("description", "strict") if function.get(name) is not None}


def _tool_choice(choice: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(choice, str):
        if choice not in _TOOL_CHOICES:
            unsupported("tool_choice", f"{choice!r} is none of {', '.join(_TOOL_CHOICES)}")
        return {"type": _TOOL_CHOICES[choice]}
    function = choice.get("function")
    if choice.get("type") != "function" or not isinstance(function, Mapping):
        unsupported("tool_choice", "it names no function")
    return {"type": "tool", "name": function.get("name")}


def _output_config(response_format: Mapping[str, Any]) -> dict[str, Any] | None:
    """Structured outputs, for a JSON schema; plain text needs no word."""
    kind = response_format.get("type")
    if kind == "text":
        return None
    described = response_format.get("json_schema")
    if kind != "json_schema" or not isinstance(described, Mapping):
        unsupported("response_format", f"there is no JSON without a schema ({kind!r})")
    only_known(described, {"name", "strict", "schema"}, where="response_format.json_schema")
    schema = described.get("schema")
    if not isinstance(schema, Mapping):
        unsupported("response_format.json_schema.schema", "it is no object")
    return {"format": {"type": "json_schema", "schema": schema}}
