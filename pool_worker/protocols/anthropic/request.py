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
from pool_worker.protocols.asked import check_range, refuse
from pool_worker.protocols.shapes import check_choice, chosen_function, format_of, tool_of

DEFAULT_MAX_TOKENS = 4096
"""The bound of an answer when neither the job nor the model has one, for the API demands one: every Claude can write as much."""

_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def render_request(job: Job, *, model_name: str, max_tokens: int | None) -> dict[str, Any]:
    """The body of a request.

    Raises:
        UnsupportedRequestError: the format has no way to say what the job asks for; the reason names the field.
    """
    if job.seed is not None:
        refuse("seed", "there are no seeds")
    check_range(job.temperature, field="temperature", least=0, most=1)
    check_choice(job)
    body: dict[str, Any] = {
        "model": model_name,
        "max_tokens": DEFAULT_MAX_TOKENS if max_tokens is None else max_tokens,
        "messages": render_turns(job.messages),
    }
    optional = {
        "system": render_system(job.messages),
        "temperature": job.temperature,
        "top_p": job.top_p,
        "stop_sequences": job.stop,
        "tools": None if job.tools is None else [_tool(tool, field=f"tools[{i}]") for i, tool in enumerate(job.tools)],
        "tool_choice": None if job.tool_choice is None else _tool_choice(job.tool_choice),
        "output_config": None if job.response_format is None else _output_config(job.response_format),
        "stream": job.stream or None,
    }
    return body | {name: value for name, value in optional.items() if value is not None}


def _tool(tool: Mapping[str, Any], *, field: str) -> dict[str, Any]:
    """`{"type": "function", "function": {"name", "description", "parameters", "strict"}}` → name, description, input_schema."""
    function = tool_of(tool, field=field)
    rendered = {"name": function["name"], "input_schema": function.get("parameters") or {"type": "object", "properties": {}}}
    return rendered | {name: function[name] for name in ("description", "strict") if function.get(name) is not None}


def _tool_choice(choice: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(choice, Mapping):
        return {"type": "tool", "name": chosen_function(choice)}
    return {"type": _TOOL_CHOICES[choice]}


def _output_config(response_format: Mapping[str, Any]) -> dict[str, Any] | None:
    """Structured outputs, for a JSON schema, without which there is no JSON; plain text needs no word."""
    kind, schema = format_of(response_format, kinds=("text", "json_schema"))
    return None if kind == "text" else {"format": {"type": kind, "schema": schema}}
