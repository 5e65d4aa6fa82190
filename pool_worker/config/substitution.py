"""`${NAME}` and `${NAME:-otherwise}` in values: what differs from account to account comes from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def substitute(text: str, environ: Mapping[str, str], *, otherwise: str | None = None) -> str:
    """The text with its variables put in.

    One that is not set (or empty) becomes what it says itself, else `otherwise`, else it stays.
    """

    def value_of(found: re.Match[str]) -> str:
        choices = (environ.get(found[1]) or None, found[2], otherwise, found[0])
        return next(each for each in choices if each is not None)

    return _VARIABLE.sub(value_of, text)


def variables(text: str) -> list[str]:
    """Names of the variables that stand in the text."""
    return [found[1] for found in _VARIABLE.finditer(text)]
