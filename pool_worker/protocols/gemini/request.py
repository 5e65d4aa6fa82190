"""Writing a generateContent request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pool_client.job import Job
from pool_worker.protocols.gemini.contents import render_conversation
from pool_worker.protocols.gemini.unsaid import cannot_say, object_of, text_of

_WITHOUT_SIGNATURES = ("gemini-1.", "gemini-2.")
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_SEEDS = range(-(2**31), 2**31)
_FUNCTION = frozenset({"name", "description", "parameters", "strict"})
_SCHEMA = frozenset({"name", "schema", "strict"})
"""The name is a label of the chat completions API, which tells the model nothing."""


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
    if job.seed is not None and job.seed not in _SEEDS:
        cannot_say("seed", "it does not fit into 32 bits")
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
    kind = None if wanted is None else wanted.get("type")
    if wanted is None or kind == "text":
        return {}
    object_of(wanted, field="response_format", known=frozenset({"type", "json_schema"}))
    if kind == "json_object":
        return {"responseMimeType": "application/json"}
    if kind != "json_schema":
        cannot_say("response_format.type", f"{kind!r} is not one of text, json_object, json_schema")
    wrapped = object_of(wanted.get("json_schema"), field="response_format.json_schema", known=_SCHEMA)
    schema = wrapped.get("schema")
    if not isinstance(schema, dict):
        cannot_say("response_format.json_schema.schema", "it is not an object")
    return {"responseMimeType": "application/json", "responseJsonSchema": schema}


def _render_tool(tool: dict[str, Any], number: int) -> dict[str, Any]:
    field = f"tools[{number}]"
    if tool.get("type") != "function":
        cannot_say(f"{field}.type", f"{tool.get('type')!r} is not function")
    object_of(tool, field=field, known=frozenset({"type", "function"}))
    function = object_of(tool.get("function"), field=f"{field}.function", known=_FUNCTION)
    declaration: dict[str, Any] = {"name": text_of(function.get("name"), field=f"{field}.function.name")}
    if function.get("description"):
        declaration["description"] = text_of(function["description"], field=f"{field}.function.description")
    if function.get("parameters"):
        declaration["parametersJsonSchema"] = function["parameters"]
    return declaration


def _render_calling(job: Job) -> dict[str, Any]:
    """How tools may be called. A tool that is `strict` has its schema kept to, which a mode of its own says for all of them."""
    choice = job.tool_choice
    if not job.tools and choice in (None, "auto", "none"):
        return {}  # the API takes no such setting without tools
    if not job.tools:
        cannot_say("tool_choice", "there are no tools to choose from")
    if isinstance(choice, dict):
        return {"mode": "ANY", "allowedFunctionNames": [_chosen(choice)]}
    if choice is not None and choice not in _MODES:
        cannot_say("tool_choice", f"{choice!r} is not one of {', '.join(_MODES)}, or a function")
    if choice in {None, "auto"} and _any_strict(job.tools):
        return {"mode": "VALIDATED"}
    return {} if choice is None else {"mode": _MODES[choice]}


def _any_strict(tools: Iterable[dict[str, Any]]) -> bool:
    return any(tool["function"].get("strict") for tool in tools)


def _chosen(choice: dict[str, Any]) -> str:
    if choice.get("type") != "function":
        cannot_say("tool_choice.type", f"{choice.get('type')!r} is not function")
    object_of(choice, field="tool_choice", known=frozenset({"type", "function"}))
    function = object_of(choice.get("function"), field="tool_choice.function", known=frozenset({"name"}))
    return text_of(function.get("name"), field="tool_choice.function.name")
