"""Anthropic's messages.

Sources: https://docs.anthropic.com/en/api/messages, …/messages-streaming, …/errors, …/rate-limits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from pool_worker.registry import Period, Unit
from pool_worker.simulator import problems
from pool_worker.simulator.accounts import Standing
from pool_worker.simulator.answers import Tool, text_pieces
from pool_worker.simulator.durations import whole_seconds
from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.formats.format import Format, Reply, event
from pool_worker.simulator.headers import Headers
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
from pool_worker.simulator.problems import Problem, bad_request
from pool_worker.simulator.profile import SimulatedModel
from pool_worker.simulator.refusals import Refusal, Refused

VERSION_HEADER = "anthropic-version"
FIELDS = frozenset(
    "cache_control container context_management diagnostics inference_geo "  # noqa: SIM905 - a list would take a line for each
    "max_tokens mcp_servers messages metadata model output_config service_tier speed stop_sequences stream system "
    "temperature thinking tool_choice tools top_k top_p".split()
)
"""Every other one is refused."""
ROLES = frozenset({"user", "assistant"})
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
UNITS = {"requests": Unit.REQUESTS, "tokens": Unit.TOKENS, "input-tokens": Unit.INPUT_TOKENS, "output-tokens": Unit.OUTPUT_TOKENS}
"""The windows that have headers, all of them the minute's."""


class AnthropicFormat(Format):
    """See `Format`."""

    path = re.compile(r"/messages$")
    address = "/messages"

    def lists(self, exchange: Exchange, provider: str) -> bool:  # noqa: ARG002 - its clients say their version
        """Whoever names the version."""
        return exchange.header(VERSION_HEADER) is not None

    def read(self, exchange: Exchange, raw: bytes) -> ModelRequest:
        """Version, model, max_tokens and messages are required; fields that it does not know are refused."""
        if exchange.header(VERSION_HEADER) is None:
            reject(f"{VERSION_HEADER}: header is required", param=VERSION_HEADER)
        body = parse_object(raw)
        if unknown := sorted(body.keys() - FIELDS):
            reject(f"{unknown[0]}: Extra inputs are not permitted", param=unknown[0])
        model = parse_model(body)
        max_tokens = parse_max_tokens(body, "max_tokens")
        if max_tokens is None:
            reject("max_tokens: Field required", param="max_tokens")
        temperature = body.get("temperature")
        if temperature is not None and not (isinstance(temperature, int | float) and 0 <= temperature <= 1):
            reject("temperature: range: 0..1", param="temperature")
        return ModelRequest(
            body=body,
            model=model,
            max_tokens=max_tokens,
            stream=body.get("stream") is True,
            messages=[*_system(body), *_messages(body)],
            tools=body.get("tools"),
            tool=_forced_tool(body),
            schema=_schema(body),
        )

    def whole(self, reply: Reply) -> Any:
        """A `message`."""
        stop_reason = STOP_REASONS[reply.answer.finish_reason]
        return _message(reply, content=_blocks(reply), stop_reason=stop_reason, output_tokens=reply.usage.output_tokens)

    def events(self, reply: Reply, *, pieces: int) -> Iterator[bytes]:
        """The message, its one block in pieces, why it stopped with the usage, the end."""
        yield _named({"type": "message_start", "message": _message(reply, content=[], stop_reason=None, output_tokens=1)})
        for block in _blocks(reply, begun=True):
            yield _named({"type": "content_block_start", "index": 0, "content_block": block})
            yield _named({"type": "ping"})
            for delta in _deltas(reply, pieces):
                yield _named({"type": "content_block_delta", "index": 0, "delta": delta})
            yield _named({"type": "content_block_stop", "index": 0})
        delta = {"stop_reason": STOP_REASONS[reply.answer.finish_reason], "stop_sequence": None}
        yield _named({"type": "message_delta", "delta": delta, "usage": _usage(reply, output_tokens=reply.usage.output_tokens)})
        yield _named({"type": "message_stop"})

    def models(self, models: Mapping[str, SimulatedModel], *, provider: str, created: int) -> Any:  # noqa: ARG002 - all are its own
        """One page."""
        rows = [
            {
                "type": "model",
                "id": name,
                "display_name": name,
                "created_at": _timestamp(created),
                "lifecycle": "active",
                "max_input_tokens": model.context_window,
            }
            for name, model in models.items()
        ]
        return {"data": rows, "has_more": False, "first_id": rows[0]["id"], "last_id": rows[-1]["id"]}

    def explain(self, provider: str, problem: Problem) -> Any:  # noqa: ARG002 - whoever speaks it errs like this
        """An `error`, typed by its status."""
        kind = ERROR_TYPES.get(problem.status, "invalid_request_error" if problem.status < 500 else "api_error")  # noqa: PLR2004
        return {"type": "error", "error": {"type": kind, "message": problem.message}}

    def failed_event(self, error: Any) -> bytes:
        """An event called `error`."""
        return _named(error)

    def unknown_key(self, provider: str) -> Problem:  # noqa: ARG002
        """A 401."""
        return Problem(401, "invalid x-api-key")

    def overloaded(self, provider: str) -> Problem:  # noqa: ARG002
        """A status of its own."""
        return problems.with_status("anthropic", 529)

    def model_gone(self, model: str) -> Problem:
        """It is only named."""
        return Problem(404, f"model: {model}")

    def context_exceeded(self, *, limit: int, requested: int) -> Problem:
        """A 400."""
        return bad_request(f"prompt is too long: {requested} tokens > {limit} maximum")

    def refuse(self, refused: Refused) -> Refusal:
        """It names the limit; when to come back stands in the headers."""
        window, account = refused.spent.window, refused.account.replace("#", "")
        what = f"{window.limit:,} {window.unit.replace('_', ' ')} per {window.per} (org: {account}, model: {refused.model})"
        message = (
            f"This request would exceed your organization's rate limit of {what}. "
            "For details, refer to: https://docs.claude.com/en/api/rate-limits. "
            "You can see the response headers for current usage. "
            "Please reduce the prompt length or the maximum tokens requested, or try again later."
        )
        headers = [] if refused.spent.never else [("retry-after", whole_seconds(refused.spent.wait_s))]
        return Refusal(429, self.explain(refused.provider, Problem(429, message)), headers)

    def success_headers(self, provider: str, standings: list[Standing], *, cost: int, now_s: float) -> Headers:  # noqa: ARG002
        """Limit, remaining and reset (RFC 3339) of each unit."""
        headers: Headers = []
        for name, unit in UNITS.items():
            for standing in standings:
                if standing.window.unit is unit and standing.window.per is Period.MINUTE:
                    headers += [
                        (f"anthropic-ratelimit-{name}-limit", str(standing.window.limit)),
                        (f"anthropic-ratelimit-{name}-remaining", str(standing.remaining)),
                        (f"anthropic-ratelimit-{name}-reset", _timestamp(now_s + standing.reset_s)),
                    ]
        return headers

    def refusal_headers(self, provider: str, standings: list[Standing], *, cost: int, now_s: float) -> Headers:
        """The same."""
        return self.success_headers(provider, standings, cost=cost, now_s=now_s)


def _system(body: Mapping[str, Any]) -> list[Any]:
    system = body.get("system")
    return [{"role": "system", "content": system}] if system else []


def _messages(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        reject("messages: a non-empty list is required.", param="messages")
    for index, message in enumerate(messages):
        at = f"messages.{index}"
        role = object_in(message).get("role")
        if not isinstance(role, str) or role not in ROLES:
            reject(
                f'{at}: Unexpected role "{role}". Allowed roles are "user" or "assistant"; `system` is a field of its own.',
                param=at,
            )
        content = message.get("content")
        if not isinstance(content, str | list) or not content:
            reject(f"{at}.content: a non-empty string or list of blocks is required.", param=f"{at}.content")
        yield from _as_chat(role, content) if isinstance(content, list) else [{"role": role, "content": content}]


def _as_chat(role: str, blocks: list[Any]) -> Iterator[dict[str, Any]]:
    """What tools said are messages of their own in chat completions, and calls of tools are no content."""
    results = [block for block in objects_in(blocks) if block.get("type") == "tool_result"]
    calls = [block for block in objects_in(blocks) if block.get("type") == "tool_use"]
    content = [block for block in blocks if block not in results and block not in calls]
    yield from ({"role": "tool", "content": result.get("content")} for result in results)
    if content or calls:
        yield {"role": role, "content": content, "tool_calls": calls}


def _forced_tool(body: Mapping[str, Any]) -> Tool | None:
    choice = object_in(body.get("tool_choice"))
    if choice.get("type") not in {"any", "tool"}:
        return None
    tools = [
        Tool(one["name"], one.get("input_schema")) for one in objects_in(body.get("tools")) if isinstance(one.get("name"), str)
    ]
    return pick_tool(tools, name=choice.get("name") if choice["type"] == "tool" else None, field="tool_choice")


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    asked = object_in(object_in(body.get("output_config")).get("format"))
    return object_in(asked.get("schema")) or ANY_OBJECT if asked.get("type") == "json_schema" else None


def _message(reply: Reply, *, content: list[Any], stop_reason: str | None, output_tokens: Any) -> dict[str, Any]:
    return {
        "id": f"msg_{reply.id}",
        "type": "message",
        "role": "assistant",
        "model": reply.request.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {**_usage(reply, output_tokens=output_tokens), "service_tier": "standard"},
    }


def _usage(reply: Reply, *, output_tokens: Any) -> dict[str, Any]:
    return {
        "input_tokens": reply.usage.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    }


def _blocks(reply: Reply, *, begun: bool = False) -> list[dict[str, Any]]:
    """The one block of an answer, or none; without its text or input as a stream begins it."""
    answer = reply.answer
    if (call := answer.tool_call) is not None:
        given = {} if begun else orjson.loads(call.arguments)
        return [{"type": "tool_use", "id": f"toolu_{reply.id}", "name": call.name, "input": given}]
    return [{"type": "text", "text": "" if begun else answer.content}] if answer.content else []


def _deltas(reply: Reply, pieces: int) -> Iterator[dict[str, Any]]:
    if (call := reply.answer.tool_call) is not None:
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in text_pieces(call.arguments, pieces))
    else:
        yield from ({"type": "text_delta", "text": piece} for piece in text_pieces(reply.answer.content, pieces))


def _named(data: dict[str, Any]) -> bytes:
    return event(data, name=data["type"])


def _timestamp(at_s: float) -> str:
    """RFC 3339, rounded up to the second."""
    return datetime.fromtimestamp(math.ceil(at_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
