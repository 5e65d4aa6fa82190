"""Anthropic's Messages format.

Source: https://platform.claude.com/docs/en/api/messages, as of API version 2023-06-01. The next one, 2026-10-21, differs for us
in one thing: it refuses `temperature` and `top_p` also where the model still takes them. Which of them is spoken is said by
the header `anthropic-version` in a provider's row.
"""

from __future__ import annotations

from pool_worker.protocols.anthropic.answer import parse_answer
from pool_worker.protocols.anthropic.error import find_error
from pool_worker.protocols.anthropic.request import render_request
from pool_worker.protocols.anthropic.stream import AnthropicStream
from pool_worker.protocols.protocol import Protocol

ANTHROPIC = Protocol(
    path="/messages",
    needs_max_tokens=True,
    render_request=render_request,
    parse_answer=parse_answer,
    find_error=find_error,
    open_stream=AnthropicStream,
)
