"""Fields of answers, checked: whatever a provider sends, it is understood, ignored or refused by name, and breaks nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Never

from pool_worker.errors import BadAnswerError

_MAX_BELIEVABLE_TOKENS = 20_000_000
"""Twice the largest context window there is. A count above it would spend the day's budget on one answer."""
MOST_LEVELS = 64
"""Of objects and lists in each other, where an answer passes them on as they are: no caller can read 200 of them as JSON."""

MOST_TOOL_CALLS = 128
"""As many tools as the chat API takes; an index beyond in a stream would be a mistake, or meant to fill the memory."""


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


def nests_too_deep(value: Mapping[str, object]) -> bool:
    """Whether it holds more than `MOST_LEVELS` objects and lists in each other, itself included."""
    level: list[object] = [value]
    for _ in range(MOST_LEVELS):
        level = [inner for each in level for inner in _inside(each) if isinstance(inner, Mapping | list)]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def ended_too_early() -> Never:
    """A stream that ended without having said why.

    Raises:
        BadAnswerError: always.
    """
    reason = "the stream ended before the answer did"
    raise BadAnswerError(reason, charged=True)


def found(value: object) -> str:
    """What there is in place of what was wanted, without its content: missing, empty, or of which type."""
    return "missing" if value is None else "empty" if value in ([], {}, "") else f"of type {type(value).__name__}"


def refuse(field: str, value: object, wanted: str) -> Never:
    """A field without which there is no answer.

    Raises:
        BadAnswerError: always; the reason names the field.
    """
    reason = f"the answer's {field} is {found(value)}, not {wanted}"
    raise BadAnswerError(reason, charged=True)
