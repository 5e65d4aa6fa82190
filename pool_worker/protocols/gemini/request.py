"""Writing a generateContent request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pool_client.job import Job
from pool_worker.protocols.asked import check_range
from pool_worker.protocols.gemini.contents import render_conversation
from pool_worker.protocols.shapes import check_choice, chosen_function, format_of, tool_of

_WITHOUT_SIGNATURES = ("gemini-1.", "gemini-2.")
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def render_request(job: Job, *, model_name: str, max_tokens: int | None) -> dict[str, Any]:
    """The body of a request: only what the job sets, and nothing of its metadata. Model and streaming are in the address.

    Raises:
        UnsupportedRequestError: the format has no way to say what the job asks for; the reason names the field.
    """
    name = model_name.removeprefix("models/")
    signed = name.startswith("gemini-") and not name.startswith(_WITHOUT_SIGNATURES)
    body = render_conversation(job.messages, signed=signed)
    if job.tools:
        body["tools"] = [{"functionDeclarations": [_render_tool(tool, number) for number, tool in enumerate(job.tools)]}]
    calling = _render_calling(job)
    if calling:
        body["toolConfig"] = {"functionCallingConfig": calling}
    config = _render_config(job, max_tokens=max_tokens)
    if config:
        body["generationConfig"] = config
    return body


def _render_config(job: Job, *, max_tokens: int | None) -> dict[str, Any]:
    check_range(job.seed, field="seed", least=-(2**31), most=2**31 - 1)
    config = {
        "temperature": job.temperature,
        "topP": job.top_p,
        "maxOutputTokens": max_tokens,
        "stopSequences": job.stop or None,
        "seed": job.seed,
        **_render_format(job.response_format),
    }
    return {name: value for name, value in config.items() if value is not None}


def _render_format(wanted: dict[str, Any] | None) -> dict[str, Any]:
    if wanted is None:
        return {}
    kind, schema = format_of(wanted, kinds=("text", "json_object", "json_schema"))
    if kind == "text":
        return {}
    return {"responseMimeType": "application/json", "responseJsonSchema": schema if kind == "json_schema" else None}


def _render_tool(tool: dict[str, Any], number: int) -> dict[str, Any]:
    function = tool_of(tool, field=f"tools[{number}]")
    declaration = {"name": function["name"]}
    if function.get("description"):
        declaration["description"] = function["description"]
    if function.get("parameters"):
        declaration["parametersJsonSchema"] = function["parameters"]
    return declaration


def _render_calling(job: Job) -> dict[str, Any]:
    """How tools may be called. A tool that is `strict` has its schema kept to, which a mode of its own says for all of them."""
    check_choice(job)
    if not job.tools:
        return {}  # the API takes no such setting without tools
    choice = job.tool_choice
    if isinstance(choice, dict):
        return {"mode": "ANY", "allowedFunctionNames": [chosen_function(choice)]}
    if choice in {None, "auto"} and _any_strict(job.tools):
        return {"mode": "VALIDATED"}
    return {} if choice is None else {"mode": _MODES[choice]}


def _any_strict(tools: Iterable[dict[str, Any]]) -> bool:
    return any(tool["function"].get("strict") for tool in tools)
