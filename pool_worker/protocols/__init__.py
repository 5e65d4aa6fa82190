"""Wire formats: what a request looks like as JSON, and what an answer's JSON means. No URL, no key, no I/O.

`PROTOCOLS` maps the word in a provider's `protocol:` to the format; a new one is a module here and a line below.
"""

from __future__ import annotations

from pool_worker.protocols.anthropic import ANTHROPIC
from pool_worker.protocols.chat import CHAT
from pool_worker.protocols.cohere import COHERE
from pool_worker.protocols.gemini import GEMINI
from pool_worker.protocols.protocol import Protocol

PROTOCOLS: dict[str, Protocol] = {
    "anthropic": ANTHROPIC,
    "chat": CHAT,
    "gemini": GEMINI,
    "cohere": COHERE,
}

__all__ = ["PROTOCOLS"]
