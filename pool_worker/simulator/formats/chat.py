"""Chat completions, OpenAI's format and nearly everybody's: errors, refusals and headers are each provider's own.

Sources: https://platform.openai.com/docs/api-reference/chat and …/chat-streaming.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pool_worker.simulator.answers import Tool, ToolCall, text_pieces
from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.formats.format import Format, Reply, event
from pool_worker.simulator.model_request import (
    ANY_OBJECT,
    ModelRequest,
    object_in,
    objects_in,
    parse_max_tokens,
    parse_model,
    parse_object,
    pick_tool,
    reject,
)
from pool_worker.simulator.problems import Problem, body_of
from pool_worker.simulator.profile import SimulatedModel

DONE = b"data: [DONE]\n\n"
FORCED = frozenset({"required", "any"})
"""`any` is Mistral's word."""


class ChatFormat(Format):
    """See `Format`."""

    path = re.compile(r"/chat/completions$")
    address = "/chat/completions"

    def lists(self, exchange: Exchange, provider: str) -> bool:  # noqa: ARG002 - whoever wants no other form
        """Every list that no other format claims."""
        return True

    def read(self, exchange: Exchange, raw: bytes) -> ModelRequest:  # noqa: ARG002 - all is in the body
        """Model and messages are required."""
        body = parse_object(raw)
        model = parse_model(body)
        return ModelRequest(
            body=body,
            model=model,
            messages=parse_messages(body),
            max_tokens=parse_max_tokens(body, "max_completion_tokens", "max_tokens"),
            stream=body.get("stream") is True,
            tools=body.get("tools"),
            tool=_forced_tool(body),
            schema=_schema(body),
        )

    def whole(self, reply: Reply) -> Any:
        """A `chat.completion`."""
        answer = reply.answer
        message: dict[str, Any] = {"role": "assistant", "content": answer.content}
        if answer.tool_call is not None:
            message |= {"content": None, "tool_calls": [call_of(answer.tool_call, reply)]}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        return {**_head(reply, "chat.completion"), "choices": [choice], "usage": _usage(reply)}

    def events(self, reply: Reply, *, pieces: int) -> Iterator[bytes]:
        """Role, pieces, the finish reason, `[DONE]`.

        The usage comes with the finish reason, as many providers send it unasked; where `stream_options` ask for it, after
        that in an event without choices, as OpenAI does; where they refuse it, not at all.
        """
        asked = object_in(reply.request.body.get("stream_options")).get("include_usage")
        head = _head(reply, "chat.completion.chunk") | ({"usage": None} if asked else {})

        def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
            return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

        yield event(chunk({"role": "assistant", "content": "" if reply.answer.tool_call is None else None}))
        for delta in _deltas(reply, pieces):
            yield event(chunk(delta))
        last = chunk({}, reply.answer.finish_reason)
        yield event(last | {"usage": _usage(reply)} if asked is None else last)
        if asked:
            yield event({**head, "choices": [], "usage": _usage(reply)})
        yield DONE

    def models(self, models: Mapping[str, SimulatedModel], *, provider: str, created: int) -> Any:
        """A `list`."""
        rows = [{"id": name, "object": "model", "created": created, "owned_by": provider} for name in models]
        return {"object": "list", "data": rows}

    def explain(self, provider: str, problem: Problem) -> Any:
        """In the provider's form."""
        return body_of(provider, problem)


def parse_messages(body: Mapping[str, Any]) -> list[Any]:
    """The messages of a conversation.

    Raises:
        WrongRequestError: there are none, or one has no role or no content.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        reject("messages: a non-empty list is required.", param="messages")
    for index, message in enumerate(messages):
        at = f"messages[{index}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            reject(f"{at}: an object with a role and a content is required.", param=at)
        if message.get("content") is None and not message.get("tool_calls"):
            reject(f"{at}.content: a string or a list of parts is required.", param=f"{at}.content")
    return messages


def function_tools(tools: Any) -> list[Tool]:
    """The tools of a list that are functions."""
    functions = [object_in(tool.get("function")) for tool in objects_in(tools)]
    return [Tool(one["name"], one.get("parameters")) for one in functions if isinstance(one.get("name"), str)]


def call_of(call: ToolCall, reply: Reply) -> dict[str, Any]:
    """A call of a function."""
    return {"id": f"call_{reply.id}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _forced_tool(body: Mapping[str, Any]) -> Tool | None:
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "function":
        name = object_in(choice.get("function")).get("name")
        if not isinstance(name, str):
            reject("tool_choice.function.name: a string is required.", param="tool_choice")
        return pick_tool(function_tools(body.get("tools")), name=name, field="tool_choice")
    if isinstance(choice, str) and choice in FORCED:
        return pick_tool(function_tools(body.get("tools")), name=None, field="tool_choice")
    return None


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    asked = object_in(body.get("response_format"))
    if asked.get("type") == "json_schema":
        return object_in(object_in(asked.get("json_schema")).get("schema")) or ANY_OBJECT
    return ANY_OBJECT if asked.get("type") == "json_object" else None


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{reply.id}", "object": kind, "created": reply.created, "model": reply.request.model}


def _usage(reply: Reply) -> dict[str, Any]:
    told = reply.usage
    return {"prompt_tokens": told.input_tokens, "completion_tokens": told.output_tokens, "total_tokens": told.total_tokens}


def _deltas(reply: Reply, pieces: int) -> Iterator[dict[str, Any]]:
    call = reply.answer.tool_call
    if call is None:
        yield from ({"content": piece} for piece in text_pieces(reply.answer.content, pieces))
        return
    yield {"tool_calls": [{"index": 0, **call_of(ToolCall(call.name, ""), reply)}]}
    for piece in text_pieces(call.arguments, pieces):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
