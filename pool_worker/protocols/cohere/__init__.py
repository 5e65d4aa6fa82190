"""Cohere's chat format, version 2: below https://api.cohere.com/v2.

Source: https://docs.cohere.com/v2/reference/chat, and the types of its Python client, with which our requests are compared.
"""

from __future__ import annotations

from pool_worker.protocols.cohere.answer import find_error, parse_answer
from pool_worker.protocols.cohere.request import render_request
from pool_worker.protocols.cohere.stream import CohereStream
from pool_worker.protocols.protocol import Protocol

COHERE = Protocol(
    path="/chat",
    listing_path="../v1/models",  # version 2 has no listing of its own
    render_request=render_request,
    parse_answer=parse_answer,
    find_error=find_error,
    open_stream=CohereStream,
)
