"""Refusals that the table has no row for: logged once in each process by their shape, so that somebody can write one.

What they say is not logged: it may quote a prompt or a key.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import lru_cache

from pool_worker.errors import AttemptError
from pool_worker.providers.refusal import Refusal

MOST_KINDS = 1000
"""So many are remembered: a provider that invents new ones all the time is logged again."""
_MOST_FIELDS = 10
_MOST_LEVELS = 4
_WORDS = {bool: "true or false", int: "number", float: "number", str: "text"}
_LONGEST = 1000
"""Characters of a shape that are logged."""
_PLAIN = re.compile(r"[a-z][a-z_.-]{0,39}", re.IGNORECASE)
"""A name that somebody chose for a field or a code. Digits and long ones may be somebody's id, or a key."""

logger = logging.getLogger(__name__)


def note_unknown(refusal: Refusal, taken_for: type[AttemptError]) -> None:
    """Log it, if none like it was logged before."""
    codes = " ".join(code for code in refusal.error.codes if _PLAIN.fullmatch(code))
    _log_once(refusal.provider_id, refusal.status, shape_of(refusal.body)[:_LONGEST], codes, taken_for.__name__)


def shape_of(body: object, *, levels: int = _MOST_LEVELS) -> str:
    """A body without what it says: `{"error": {"code": number, "message": text}}`."""
    match body:
        case Mapping() if levels:
            fields = [
                f'"{_name(name)}": {shape_of(value, levels=levels - 1)}' for name, value in list(body.items())[:_MOST_FIELDS]
            ]
            return f"{{{', '.join([*fields, *(['…'] if len(body) > _MOST_FIELDS else [])])}}}"
        case list() if levels:
            return f"[{shape_of(body[0], levels=levels - 1)}]" if body else "[]"
        case Mapping() | list():
            return "…"
        case _:
            return _WORDS.get(type(body), "null")


def _name(name: object) -> str:
    return str(name) if _PLAIN.fullmatch(str(name)) else "?"


@lru_cache(maxsize=MOST_KINDS)
def _log_once(provider_id: str, status: int, shape: str, codes: str, taken_for: str) -> None:
    logger.warning(
        "%s answered %d in a way that is not known, taken for %s; codes: %s; body: %s",
        *(provider_id, status, taken_for, codes or "none", shape),
    )
