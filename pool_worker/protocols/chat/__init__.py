"""The chat completions format, which most providers speak.

Source: https://platform.openai.com/docs/api-reference/chat/create, and PROVIDERS.md §2 for who else speaks it.
"""

from __future__ import annotations

from pool_worker.protocols.chat.answer import parse_answer
from pool_worker.protocols.chat.request import render_request
from pool_worker.protocols.chat.stream import ChatStream
from pool_worker.protocols.error_body import find_error
from pool_worker.protocols.protocol import Protocol

CHAT = Protocol(
    path="/chat/completions",
    render_request=render_request,
    parse_answer=parse_answer,
    find_error=find_error,
    open_stream=ChatStream,
)
