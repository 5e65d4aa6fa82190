"""How many tokens a request will take, guessed before it is sent; what was really used corrects the guess afterwards.

UTF-8 bytes / 4 is the same as characters / 4 for ASCII and more for everything else, where tokenizers also need more.
Source of the ratio and its error (−67 to +30 % by language): DEPENDENCIES.md, "tokens".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pool_client.job import Job, Message
from pool_worker.registry import Model

BYTES_PER_TOKEN = 4
MESSAGE_OVERHEAD_TOKENS = 4
"""Role and separators of each message."""
MEDIA_TOKENS = 1_000
"""A picture or other part that is not text: its bytes say nothing about its tokens."""
MOST_MEDIA_TOKENS = 4_000
"""More than any of them takes at its provider."""
DEFAULT_OUTPUT_TOKENS = 512
"""Assumed when neither the job nor the model sets a bound."""


def estimate_input_tokens(messages: Iterable[Message], *, tools: Iterable[Mapping[str, Any]] | None = None) -> int:
    """Tokens of the prompt, rounded up; at least 1. Tool definitions count as they are sent."""
    size, turns, media = _measure(messages, tools or ())
    return max(1, MESSAGE_OVERHEAD_TOKENS * turns + MEDIA_TOKENS * media + tokens_of(size))


def most_input_tokens(messages: Iterable[Message], *, tools: Iterable[Mapping[str, Any]] | None = None) -> int:
    """Tokens that the prompt has at most: no tokenizer makes more than one of a byte."""
    size, turns, media = _measure(messages, tools or ())
    return 2 * MESSAGE_OVERHEAD_TOKENS * turns + MOST_MEDIA_TOKENS * media + size


def _measure(messages: Iterable[Message], tools: Iterable[Mapping[str, Any]]) -> tuple[int, int, int]:
    """Bytes of text, turns, and parts that are not text."""
    size = turns = media = 0
    for message in messages:
        turns += 1
        if isinstance(message.content, str):
            size += _bytes(message.content)
        elif message.content:
            for part in message.content:
                text = part.get("text")
                if isinstance(text, str):
                    size += _bytes(text)
                else:
                    media += 1
        if message.tool_calls:
            size += _bytes(str(message.tool_calls))
    return size + sum(_bytes(str(tool)) for tool in tools), turns, media


def tokens_of(size_bytes: int) -> int:
    """Tokens of a text of so many bytes, rounded up."""
    return -(-size_bytes // BYTES_PER_TOKEN)


def estimate_output_tokens(job: Job, model: Model) -> int:
    """Tokens of the answer: what the job allows, else 512; never more than the model can write."""
    wanted = job.max_tokens or DEFAULT_OUTPUT_TOKENS
    return wanted if model.max_output_tokens is None else min(wanted, model.max_output_tokens)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
