"""How many tokens calls have really taken, so that the next estimate is better: per model, and per model and agent.

Kept in Redis by each job's last step (`lua/token_history.lua`), read by every worker from time to time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from redis.asyncio import Redis

from pool_worker import redis_keys

ENOUGH_CALLS = 20
"""Before so many calls of a kind were seen, nothing is said about them."""
UNKNOWN_FACTOR = 1.5
"""What is taken for enough meanwhile: a reservation that is too large only waits a little longer, one too small is refused."""
LARGEST_FACTOR = 4.0
"""A prompt that took more than so many times its estimate had something in it (a picture) that others have not."""


@dataclass(frozen=True, slots=True)
class TokenHistory:
    """The most that some of the last calls took: at least the last 200 once there were so many, never more than the last 400."""

    most: Mapping[str, float] = field(default_factory=dict)
    """By field (see `input_field`, `output_field`)."""

    def input_factor(self, model_id: str) -> float:
        """By what the estimate of a prompt is to be multiplied to be enough."""
        return self.most.get(input_field(model_id), UNKNOWN_FACTOR)

    def output_tokens(self, model_id: str, agent: str) -> int | None:
        """What is enough for an answer to this agent; None: nobody knows."""
        most = self.most.get(output_field(model_id, agent))
        return None if most is None else int(most)


def input_field(model_id: str) -> str:
    """What is kept of a model's prompts: their tokens, divided by the estimate."""
    return f"in {model_id}"


def output_field(model_id: str, agent: str) -> str:
    """What is kept of a model's answers to one agent: their tokens."""
    return f"out {model_id} {agent}"


def seen(model_id: str, agent: str, *, estimated_input: int, input_tokens: int, output_tokens: int) -> dict[str, float]:
    """What one call adds to the history, by field."""
    factor = min(round(input_tokens / max(1, estimated_input), 3), LARGEST_FACTOR)
    return {input_field(model_id): factor, output_field(model_id, agent): output_tokens}


async def read_token_history(redis: Redis) -> TokenHistory:
    """The history as of now."""
    entries = cast(dict[str, str], await redis.hgetall(redis_keys.HISTORY))
    found = {name: _most(*map(float, entry.split())) for name, entry in entries.items()}
    return TokenHistory({name: most for name, most in found.items() if most is not None})


def _most(calls: float, most: float, before: float) -> float | None:
    return max(most, before) if before > 0 or calls >= ENOUGH_CALLS else None
