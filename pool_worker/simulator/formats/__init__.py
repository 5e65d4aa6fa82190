"""The wire formats that the simulator speaks, a file each: what differs between them, and nothing else."""

from __future__ import annotations

from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.formats.anthropic import AnthropicFormat
from pool_worker.simulator.formats.chat import ChatFormat
from pool_worker.simulator.formats.cohere import CohereFormat
from pool_worker.simulator.formats.format import Format
from pool_worker.simulator.formats.gemini import GeminiFormat

CHAT = ChatFormat()
FORMATS: tuple[Format, ...] = (AnthropicFormat(), GeminiFormat(), CohereFormat(), CHAT)
MODELS = "/models"
KEY = "/key"
ADDRESSES = f"POST …{', …'.join(one.address for one in reversed(FORMATS))} and GET …{MODELS} or …{KEY}"


def asked_format(exchange: Exchange) -> Format | None:
    """The format in which a model is asked something, by the path; None: no model is asked."""
    if exchange.method != "POST":
        return None
    return next((one for one in FORMATS if one.path.search(exchange.path)), None)


def listing_format(exchange: Exchange, provider: str) -> Format | None:
    """The format in which models are to be listed; None: nobody asks for a list."""
    if exchange.method != "GET" or not exchange.path.endswith(MODELS):
        return None
    return next((one for one in FORMATS if one.lists(exchange, provider)), CHAT)


def asks_of_key(exchange: Exchange) -> bool:
    """Whether what is known of the key itself is asked for, as OpenRouter tells it."""
    return exchange.method == "GET" and exchange.path.endswith(KEY)
