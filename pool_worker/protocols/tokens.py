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
DEFAULT_OUTPUT_TOKENS = 512
"""Assumed when neither the job nor the model sets a bound."""


def estimate_input_tokens(messages: Iterable[Message], *, tools: Iterable[Mapping[str, Any]] | None = None) -> int:
    """Tokens of the prompt, rounded up; at least 1. Tool definitions count as they are sent."""
    size = tokens = 0
    for message in messages:
        tokens += MESSAGE_OVERHEAD_TOKENS
        if isinstance(message.content, str):
            size += _bytes(message.content)
        elif message.content:
            for part in message.content:
                text = part.get("text")
                if isinstance(text, str):
                    size += _bytes(text)
                else:
                    tokens += MEDIA_TOKENS
        if message.tool_calls:
            size += _bytes(str(message.tool_calls))
    for tool in tools or ():
        size += _bytes(str(tool))
    return max(1, tokens + tokens_of(size))


def tokens_of(size_bytes: int) -> int:
    """Tokens of a text of so many bytes, rounded up."""
    return -(-size_bytes // BYTES_PER_TOKEN)


def estimate_output_tokens(job: Job, model: Model) -> int:
    """Tokens of the answer: what the job allows, else 512; never more than the model can write."""
    wanted = job.max_tokens or DEFAULT_OUTPUT_TOKENS
    return wanted if model.max_output_tokens is None else min(wanted, model.max_output_tokens)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
