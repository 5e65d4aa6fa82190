"""Saying no to a job before anything is sent: what the Messages format has no words for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Never

from pool_worker.errors import UnsupportedRequestError


def unsupported(field: str, why: str) -> Never:
    """A field of the job that cannot be said.

    Raises:
        UnsupportedRequestError: always; the reason names the field.
    """
    reason = f"{field} cannot be said in Anthropic's format: {why}"
    raise UnsupportedRequestError(reason)


def only_known(fields: Mapping[str, Any], known: set[str], *, where: str) -> None:
    """Refuses an object with fields that would be left out; those that are null say nothing.

    Raises:
        UnsupportedRequestError: there is one; the reason names it.
    """
    for name, value in fields.items():
        if name not in known and value is not None:
            unsupported(f"{where}.{name}", "there is no such field")
