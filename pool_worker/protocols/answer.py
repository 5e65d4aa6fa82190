"""What a provider answered, whatever wire format it used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pool_client.job import Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion, read and checked."""

    content: str
    """Empty when the model only called tools, or said nothing."""
    finish_reason: str | None
    tool_calls: list[dict[str, Any]] | None
    """In the shape of the chat completions API; None when there are none."""
    usage: Usage
    model: str | None
    """What the provider says answered; it may differ from what was asked for."""
    reasoning: str = ""
    """What a model tells of its thinking before it answers."""
    usage_reported: bool = True
    """False: the provider gave no believable count, `usage` is zero and an estimate must stand in for it."""
