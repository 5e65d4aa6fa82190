"""Cohere's chat, version 2.

Sources: https://docs.cohere.com/reference/chat, …/chat-stream, …/list-models, https://docs.cohere.com/v2/docs/streaming.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pool_worker.simulator import problems
from pool_worker.simulator.answers import Tool, ToolCall, text_pieces
from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.formats.chat import DONE, call_of, function_tools, parse_messages
from pool_worker.simulator.formats.format import Format, Reply, event
from pool_worker.simulator.model_request import (
    ANY_OBJECT,
    ModelRequest,
    WrongRequestError,
    object_in,
    objects_in,
    parse_max_tokens,
    parse_model,
    parse_object,
    pick_tool,
)
from pool_worker.simulator.problems import Problem, bad_request
from pool_worker.simulator.profile import SimulatedModel
from pool_worker.simulator.refusals import Refusal, Refused, cohere

FIELDS = frozenset(
    "citation_options documents frequency_penalty k logprobs max_tokens "  # noqa: SIM905 - a list would take a line for each
    "messages model p presence_penalty priority response_format safety_mode seed stop_sequences stream "
    "strict_tools temperature thinking tool_choice tools".split()
)
FUNCTION_FIELDS = frozenset({"name", "description", "parameters"})
"""Every other one is refused, OpenAI's `strict` for one."""
FINISH_REASONS = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}
COMPATIBLE = "/compatibility/"
TOOL_PLAN = "I will call the tool."


class CohereFormat(Format):
    """See `Format`."""

    path = re.compile(r"/chat$")
    address = "/chat"

    def lists(self, exchange: Exchange, provider: str) -> bool:
        """Whoever asks Cohere, but for its compatible endpoint."""
        return provider == "cohere" and COMPATIBLE not in exchange.path

    def read(self, exchange: Exchange, raw: bytes) -> ModelRequest:  # noqa: ARG002 - all is in the body
        """Model and messages are required; fields that it does not know are refused with a 422."""
        body = parse_object(raw)
        functions = [object_in(tool.get("function")) for tool in objects_in(body.get("tools"))]
        unknown = sorted(body.keys() - FIELDS) or sorted({name for one in functions for name in one} - FUNCTION_FIELDS)
        if unknown:
            raise WrongRequestError(_unknown_field(unknown[0]))
        return ModelRequest(
            body=body,
            model=parse_model(body),
            max_tokens=parse_max_tokens(body, "max_tokens"),
            stream=body.get("stream") is True,
            messages=parse_messages(body),
            tools=body.get("tools"),
            tool=_forced_tool(body),
            schema=_schema(body),
        )

    def whole(self, reply: Reply) -> Any:
        """A message."""
        answer = reply.answer
        message: dict[str, Any] = {"role": "assistant"}
        if answer.tool_call is not None:
            message |= {"tool_plan": TOOL_PLAN, "tool_calls": [call_of(answer.tool_call, reply)]}
        else:
            message["content"] = [{"type": "text", "text": answer.content}]
        return {
            "id": reply.id,
            "message": message,
            "finish_reason": FINISH_REASONS[answer.finish_reason],
            "usage": _usage(reply),
        }

    def events(self, reply: Reply, *, pieces: int) -> Iterator[bytes]:
        """The message, its content or its call in pieces, why it ended with the usage, `[DONE]`."""
        start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        yield _named("message-start", {"message": start}, id=reply.id)
        call = reply.answer.tool_call
        yield from _text(reply.answer.content, pieces) if call is None else _call(call, reply, pieces)
        yield _named("message-end", {"finish_reason": FINISH_REASONS[reply.answer.finish_reason], "usage": _usage(reply)})
        yield DONE

    def models(self, models: Mapping[str, SimulatedModel], *, provider: str, created: int) -> Any:  # noqa: ARG002 - it tells neither
        """One page."""
        rows = [
            {"name": name, "endpoints": ["chat"], "finetuned": False, "context_length": model.context_window}
            for name, model in models.items()
        ]
        return {"models": rows, "next_page_token": None}

    def explain(self, provider: str, problem: Problem) -> Any:  # noqa: ARG002 - whoever speaks it errs like this
        """Its message."""
        return problems.cohere(problem)

    def failed_event(self, error: Any) -> bytes:
        """A message that ends in an error."""
        return _named("message-end", {"finish_reason": "ERROR", "error": error["message"]})

    def unknown_key(self, provider: str) -> Problem:  # noqa: ARG002
        """A 401."""
        return problems.with_status("cohere", 401)

    def model_gone(self, model: str) -> Problem:
        """A 404."""
        return Problem(
            404, f"model '{model}' not found, make sure the correct model ID was used and that you have access to the model."
        )

    def context_exceeded(self, *, limit: int, requested: int) -> Problem:
        """A 400."""
        return bad_request(f"too many tokens: total number of tokens in the prompt cannot exceed {limit} - received {requested}.")

    def refuse(self, refused: Refused) -> Refusal:
        """A message, no headers."""
        return cohere(refused)


def _unknown_field(name: str) -> Problem:
    message = f"unknown field: parameter '{name}' is not a valid field."
    return Problem(422, f"{message} For proper usage, please refer to https://docs.cohere.com/reference/chat")


def _forced_tool(body: Mapping[str, Any]) -> Tool | None:
    if body.get("tool_choice") != "REQUIRED":
        return None
    return pick_tool(function_tools(body.get("tools")), name=None, field="tool_choice")


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    asked = object_in(body.get("response_format"))
    return object_in(asked.get("json_schema")) or ANY_OBJECT if asked.get("type") == "json_object" else None


def _usage(reply: Reply) -> dict[str, Any]:
    tokens = {"input_tokens": reply.usage.input_tokens, "output_tokens": reply.usage.output_tokens}
    return {"billed_units": tokens, "tokens": tokens}


def _text(content: str, pieces: int) -> Iterator[bytes]:
    yield _named("content-start", {"message": {"content": {"type": "text", "text": ""}}}, index=0)
    for piece in text_pieces(content, pieces):
        yield _named("content-delta", {"message": {"content": {"text": piece}}}, index=0)
    yield _named("content-end", index=0)


def _call(call: ToolCall, reply: Reply, pieces: int) -> Iterator[bytes]:
    yield _named("tool-plan-delta", {"message": {"tool_plan": TOOL_PLAN}})
    yield _named("tool-call-start", {"message": {"tool_calls": call_of(ToolCall(call.name, ""), reply)}}, index=0)
    for piece in text_pieces(call.arguments, pieces):
        yield _named("tool-call-delta", {"message": {"tool_calls": {"function": {"arguments": piece}}}}, index=0)
    yield _named("tool-call-end", index=0)


def _named(kind: str, delta: Mapping[str, Any] | None = None, **more: Any) -> bytes:
    return event({**more, "type": kind, **({"delta": delta} if delta is not None else {})}, name=kind)
