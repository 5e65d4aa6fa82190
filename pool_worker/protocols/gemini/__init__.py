"""The generateContent format of the Gemini API.

Source: https://ai.google.dev/api/generate-content, and Google's own client, with which the tests compare what is sent.
"""

from __future__ import annotations

from pool_worker.protocols.error_body import find_error
from pool_worker.protocols.gemini.answer import parse_answer
from pool_worker.protocols.gemini.request import render_request
from pool_worker.protocols.gemini.stream import GeminiStream
from pool_worker.protocols.protocol import Protocol

GEMINI = Protocol(
    path="/models/{model}:generateContent",
    stream_path="/models/{model}:streamGenerateContent?alt=sse",
    render_request=render_request,
    parse_answer=parse_answer,
    find_error=find_error,
    open_stream=GeminiStream,
)
