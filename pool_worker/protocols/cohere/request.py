"""Writing a request of Cohere's chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pool_client.job import Job
from pool_worker.protocols.asked import check_range, refuse, refuse_value
from pool_worker.protocols.cohere.messages import render_message
from pool_worker.protocols.shapes import check_choice, format_of, tool_of

_NAMES = {"temperature": "temperature", "top_p": "p", "stop": "stop_sequences", "seed": "seed"}
"""Our name → Cohere's."""
_RANGES = {"temperature": (0, 1), "top_p": (0.01, 0.99), "seed": (0, 2**64 - 1)}
"""Smallest and largest value, where a job may name others."""
_CHOICES = {"auto": None, "required": "REQUIRED", "none": "NONE"}
"""Of tools; a free one is what the API does of itself, and has no word for."""


def render_request(job: Job, *, model_name: str, max_tokens: int | None) -> dict[str, Any]:
    """The body of a request: only what the job sets, and nothing of its metadata.

    Raises:
        UnsupportedRequestError: the format has no way to say what the job asks for; the reason names the field.
    """
    for name, (least, most) in _RANGES.items():
        check_range(getattr(job, name), field=name, least=least, most=most)
    check_choice(job)
    body: dict[str, Any] = {
        "model": model_name,
        "messages": [render_message(message, field=f"messages[{number}]") for number, message in enumerate(job.messages)],
        "stream": job.stream,
    }
    optional = {
        "max_tokens": max_tokens,
        **{theirs: getattr(job, name) for name, theirs in _NAMES.items()},
        **_render_tools(job.tools or ()),
        "tool_choice": None if job.tool_choice is None else _render_choice(job.tool_choice),
        "response_format": None if job.response_format is None else _render_format(job.response_format, beside=job.tools),
    }
    return body | {name: value for name, value in optional.items() if value is not None}


def _render_tools(tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The functions, and whether their schemas are kept to: Cohere is `strict` about all of them, or about none."""
    functions = [tool_of(tool, field=f"tools[{number}]") for number, tool in enumerate(tools)]
    strict = [bool(function.get("strict")) for function in functions]
    if len(set(strict)) > 1:
        odd = strict.index(not strict[0])
        refuse(f"tools[{odd}].function.strict", "all tools must be strict, or none of them")
    if not functions:
        return {}
    return {"tools": [_render_function(function) for function in functions], "strict_tools": strict[0] or None}


def _render_function(function: Mapping[str, Any]) -> dict[str, Any]:
    """Without parameters, which Cohere wants to be told, it is one that takes none."""
    words = {name: function[name] for name in ("name", "description", "parameters") if function.get(name) is not None}
    return {"type": "function", "function": {"parameters": {"type": "object", "properties": {}}, **words}}


def _render_choice(choice: str | Mapping[str, Any]) -> str | None:
    if not isinstance(choice, str):
        refuse("tool_choice", "no certain function can be demanded, only some call (required)")
    return _CHOICES[choice]


def _render_format(wanted: Mapping[str, Any], *, beside: object) -> dict[str, Any]:
    """JSON, by a schema or by none, which Cohere refuses beside tools."""
    kind, schema = format_of(wanted, kinds=("text", "json_object", "json_schema"))
    if beside and kind != "text":
        refuse_value("response_format.type", kind, "text beside tools")
    return {"type": "json_object", "json_schema": schema} if kind == "json_schema" else {"type": kind}
