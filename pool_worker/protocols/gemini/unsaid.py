"""What a job asks for and this format has no word for: refused by name, so that another model is tried and nothing gets lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Never

from pool_worker.errors import UnsupportedRequestError


def cannot_say(field: str, why: str) -> Never:
    """Gives up on a field of the job.

    Raises:
        UnsupportedRequestError: always; the reason names the field.
    """
    reason = f"the gemini format cannot say the job's {field}: {why}"
    raise UnsupportedRequestError(reason)


def object_of(value: object, *, field: str, known: frozenset[str]) -> Mapping[str, Any]:
    """The value, if it is an object that sets nothing but what is known.

    Raises:
        UnsupportedRequestError: it is none, or sets more.
    """
    if not isinstance(value, Mapping):
        cannot_say(field, "it is not an object")
    for name, part in value.items():
        if name not in known and part is not None:
            cannot_say(f"{field}.{name}", "there is no such field")
    return value


def text_of(value: object, *, field: str) -> str:
    """The value, if it is a text that says something.

    Raises:
        UnsupportedRequestError: it is none.
    """
    if not isinstance(value, str) or not value:
        cannot_say(field, "it is not a text")
    return value
