"""What the simulated models say: the digest of the prompt, so that a test can tell the right answer, and plausible words."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pool_worker.simulator.example import example_of

DIGEST_DIGITS = 12
MESSAGE_TOKENS = 3
"""Overhead of each message (https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken)."""
STEPS_OFF = 1009
PART_TOKENS = 85
"""An image or another part that is not text (OpenAI's price of a low-detail image)."""
FILLER = (
    "the job waited in the queue until a worker of its tier claimed it and the first provider with room took it "
    "while the backup of the orders database ran late because a lock was held for longer than the window allows "
    "so check the slow query log for the statement that holds it and move the report to a quieter hour "
    "memory use is steady and no alert is open apart from the certificate that ends next week "
)
_WORDS = FILLER.split(" ")[:-1]
_STARTS = [sum(len(word) + 1 for word in _WORDS[:index]) for index in range(len(_WORDS))]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a request offers."""

    name: str
    schema: Any
    """Of its arguments, which are an object; anything else: it has none."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's call of a tool."""

    name: str
    arguments: str
    """A JSON object."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model will say, known as soon as the request arrives."""

    content: str
    """Empty when it calls a tool."""
    finish_reason: str
    """`stop`, `length` or `tool_calls`; each wire format has words of its own for them."""
    input_tokens: int
    output_tokens: int
    tool_call: ToolCall | None = None


def expected_digest(prompt: str) -> str:
    """What stands after `echo ` at the head of the right answer to a prompt (the last user message's text)."""
    return hashlib.sha256(prompt.encode()).hexdigest()[:DIGEST_DIGITS]


def prompt_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """The text of the last user message, or of the last message when no user spoke."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return _text(message.get("content"))
    return _text(messages[-1].get("content"))


def count_tokens(text: str, *, bytes_per_token: float = 4.0) -> int:
    """Tokens of a text: its UTF-8 bytes, four to a token; no real tokenizer."""
    return math.ceil(len(text.encode()) / bytes_per_token)


def count_input(body: Mapping[str, Any], *, bytes_per_token: float = 4.0) -> int:
    """Tokens that a request brings: messages, tool calls and tools."""
    tokens = 0
    for message in body["messages"]:
        content = message.get("content")
        tokens += MESSAGE_TOKENS + count_tokens(_text(content), bytes_per_token=bytes_per_token)
        if isinstance(content, list):
            tokens += PART_TOKENS * sum(1 for part in content if _part_text(part) is None)
        tokens += _count_json(message.get("tool_calls"), bytes_per_token)
    return tokens + _count_json(body.get("tools"), bytes_per_token)


def plan_answer(
    body: Mapping[str, Any],
    *,
    max_tokens: int | None = None,
    answer_tokens: tuple[int, int] = (20, 160),
    bytes_per_token: float = 4.0,
    tokens_off: float = 0.0,
    tool: Tool | None = None,
    schema: Mapping[str, Any] | None = None,
) -> Answer:
    """The answer to a request body (its messages and tools); always the same one.

    Cut at `max_tokens`, like a model, even inside the digest; a call of a tool that does not fit is not made.
    By up to `tokens_off` (a share) more or fewer tokens than `bytes_per_token` tells; how many, the digest decides.
    A `tool` is called with its required arguments; what a `schema` asks for is JSON that fits it (see `example_of`). In both,
    every string is `echo <digest>`.
    """
    digest = expected_digest(prompt_of(body["messages"]))
    head = f"echo {digest}"
    number = int(digest, 16)
    bytes_per_token /= 1 + tokens_off * (number % STEPS_OFF / STEPS_OFF * 2 - 1)
    if tool is None and schema is None:
        shortest, longest = answer_tokens
        wanted = max(shortest + number % (longest - shortest + 1), count_tokens(head, bytes_per_token=bytes_per_token))
        text = _words(head, _STARTS[number % len(_STARTS)], length=int(wanted * bytes_per_token))
    else:
        text = orjson.dumps(example_of(schema, head) if tool is None else _arguments(tool, head)).decode()
        wanted = count_tokens(text, bytes_per_token=bytes_per_token)
    finish_reason = "stop" if tool is None else "tool_calls"
    if max_tokens is not None and wanted > max_tokens:
        text, finish_reason = text.encode()[: int(max_tokens * bytes_per_token)].decode(errors="ignore"), "length"
    return Answer(
        content=text if tool is None else "",
        finish_reason=finish_reason,
        input_tokens=count_input(body, bytes_per_token=bytes_per_token),
        output_tokens=count_tokens(text, bytes_per_token=bytes_per_token),
        tool_call=ToolCall(tool.name, text) if tool and finish_reason == "tool_calls" else None,
    )


def text_pieces(text: str, pieces: int) -> list[str]:
    """A text in at most `pieces` parts of about the same length, split before spaces."""
    words = text.replace(" ", "\0 ").split("\0")
    size = -(-len(words) // pieces)
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def _arguments(tool: Tool, text: str) -> dict[str, Any]:
    example = example_of(tool.schema, text, sparse=True)
    return example if isinstance(example, dict) else {}


def _words(head: str, start: int, *, length: int) -> str:
    words = (FILLER * (2 + length // len(FILLER)))[start : start + length - len(head) - 1]
    return f"{head} {words}"[:length].rsplit(" ", 1)[0]


def _part_text(part: Any) -> str | None:
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else None


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(_part_text(part) or "" for part in content)
    return content if isinstance(content, str) else ""


def _count_json(value: Any, bytes_per_token: float) -> int:
    return math.ceil(len(orjson.dumps(value)) / bytes_per_token) if value else 0
