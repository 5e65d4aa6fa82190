"""Fields of jobs, checked: what a provider's format has no words for is refused by name, so that another model is tried.

Nothing that a job asks for is left out in silence. A field that is null asks for nothing. Fields are named as a caller would
write them: `messages[0].content[1].type`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Never

from pool_worker.errors import UnsupportedRequestError
from pool_worker.protocols.fields import found

_MOST_SHOWN = 40
"""Characters of a value that a reason repeats: enough for any word of the chat API, too few for what somebody wrote."""


def refuse(field: str, why: str) -> Never:
    """Gives up on a field of the job.

    Raises:
        UnsupportedRequestError: always; the reason names the field.
    """
    reason = f"the provider's format cannot take the job's {field}: {why}"
    raise UnsupportedRequestError(reason)


def refuse_value(field: str, value: object, wanted: str) -> Never:
    """Gives up on a field whose value is not what the format takes.

    Raises:
        UnsupportedRequestError: always; the reason names the field, its value if that is a word or a number, and what is wanted.
    """
    refuse(field, f"it must be {wanted}, and is {_shown(value)}")


def object_of(value: object, *, field: str, known: frozenset[str]) -> dict[str, Any]:
    """The known fields of an object that sets no other, in its own order.

    Raises:
        UnsupportedRequestError: it is no object, or sets more.
    """
    if not isinstance(value, Mapping):
        refuse_value(field, value, "an object")
    for name, part in value.items():
        if name not in known and part is not None:
            refuse(f"{field}.{name}", f"there is no such field, only {', '.join(sorted(known))}")
    return {name: part for name, part in value.items() if name in known}


def text_of(value: object, *, field: str) -> str:
    """The value, if it is a text that says something.

    Raises:
        UnsupportedRequestError: it is none, or empty.
    """
    if not isinstance(value, str) or not value:
        refuse_value(field, value, "a text")
    return value


def word_of(value: object, *, field: str, words: Sequence[str]) -> str:
    """The value, if it is one of the words that the format has.

    Raises:
        UnsupportedRequestError: it is none of them.
    """
    if not isinstance(value, str) or value not in words:
        refuse_value(field, value, " or ".join(words))
    return value


def check_range(value: float | None, *, field: str, least: float, most: float) -> None:
    """Refuses a number outside of what the format takes.

    Raises:
        UnsupportedRequestError: it is one.
    """
    if value is not None and not least <= value <= most:
        refuse_value(field, value, f"from {least} to {most}")


def _shown(value: object) -> str:
    if not isinstance(value, str | int | float) or value == "":
        return found(value)
    shown = repr(value)
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"
