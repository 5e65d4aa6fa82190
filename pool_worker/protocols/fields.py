"""Fields of answers, checked: whatever a provider sends, it is understood, ignored or refused by name, and breaks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Never

from pool_worker.errors import BadAnswerError

_MAX_BELIEVABLE_TOKENS = 20_000_000
"""Twice the largest context window there is. A count above it would spend the day's budget on one answer."""


def text_or_none(value: object) -> str | None:
    """A text; None for anything else."""
    return value if isinstance(value, str) else None


def count(value: object) -> int | None:
    """A number of tokens that can be believed; None for anything else."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MAX_BELIEVABLE_TOKENS else None


def part_of(whole: int, details: object, name: str) -> int:
    """A count inside an object of details that is part of another one; 0 if it is not told."""
    part = count(details.get(name)) if isinstance(details, Mapping) else None
    return min(part or 0, whole)


def refuse(field: str, value: object, wanted: str) -> Never:
    """A field without which there is no answer.

    Raises:
        BadAnswerError: always; the reason names the field.
    """
    found = "missing" if value is None else "empty" if value in ([], {}, "") else f"of type {type(value).__name__}"
    reason = f"the answer's {field} is {found}, not {wanted}"
    raise BadAnswerError(reason, charged=True)
