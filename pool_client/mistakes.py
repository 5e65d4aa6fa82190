"""What is wrong with an argument, in one sentence: the field, its value, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

SHOWN_CHARS = 60
LISTED = 20
"""So many of the names that would be right are told."""

_A_TEXT = "give a text"
_A_NUMBER = "give a number"
_A_WHOLE_NUMBER = "give a whole number"
_TRUE_OR_FALSE = "give True or False"
_RIGHT = {
    "bool_parsing": _TRUE_OR_FALSE,
    "bool_type": _TRUE_OR_FALSE,
    "decimal_parsing": _A_NUMBER,
    "decimal_type": _A_NUMBER,
    "dict_type": "give a dict",
    "enum": "give {expected}",
    "extra_forbidden": "there is no such field",
    "finite_number": "give a finite number",
    "float_parsing": _A_NUMBER,
    "float_type": _A_NUMBER,
    "frozen_set_type": "give a list of names",
    "greater_than": "give more than {gt}",
    "greater_than_equal": "give {ge} or more",
    "int_from_float": _A_WHOLE_NUMBER,
    "int_parsing": _A_WHOLE_NUMBER,
    "int_parsing_size": _A_WHOLE_NUMBER,
    "int_type": _A_WHOLE_NUMBER,
    "less_than_equal": "give {le} or less",
    "list_type": "give a list",
    "literal_error": "give {expected}",
    "model_type": "give a dict with role and content",
    "string_pattern_mismatch": "use only letters, digits and _ . : / @ + -",
    "string_too_long": "give at most {max_length} characters",
    "string_too_short": "it must not be empty",
    "string_type": _A_TEXT,
    "string_unicode": "give a text that can be written as UTF-8",
    "too_long": "give at most {max_length} of them",
    "too_short": "give at least {min_length} of them",
}
"""By pydantic's name of the mistake."""

_FIELD_RIGHT = {
    "required_capabilities": "give a list of capability names, for example ['coding']",
    "excluded_providers": "give a list of provider names, for example ['openai']",
    "messages": "give a list of messages: [{'role': 'user', 'content': '…'}]",
    "stop": "give a text, or a list of texts",
    "tools": "give a list of dicts, as in the chat completions API",
    "tool_choice": "give 'auto', 'none', 'required' or a dict that names a function",
    "response_format": "give a dict, for example {'type': 'json_object'}",
    "metadata": "give a dict of your own, for example {'ticket': 17}",
    "content": "give a text, or a list of parts: [{'type': 'text', 'text': '…'}]",
}
"""Of what has another shape altogether."""

_WRONG_SHAPES = {"dict_type", "frozen_set_type", "list_type", "string_type"}


def not_valid(field: str, value: object, right: str) -> str:
    """`field: value is not valid: right`."""
    return f"{field}: {short(value)} is not valid: {right}"


def in_words(error: ValidationError) -> str:
    """All that pydantic has found wrong with a record, each in a sentence as `not_valid` gives."""
    return "; ".join(dict.fromkeys(_sentence(problem) for problem in error.errors(include_url=False)))


def short(value: object) -> str:
    """The value as a person would write it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def did_you_mean(name: str, known: Collection[str]) -> str:
    """`; did you mean groq?`, or nothing if no known name is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def listed(known: Collection[str]) -> str:
    """`a, b, c`, or the first of many and how many more there are."""
    names = sorted(known)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{more}"


def _sentence(problem: ErrorDetails) -> str:
    """Of a field that may have two shapes pydantic tells once for each; they are one mistake, and get the same words."""
    parts = [str(part) for part in problem["loc"] if not _is_shape(part)]
    kind, place, field = problem["type"], ".".join(parts), parts[-1]
    if kind == "missing":
        return f"{place}: is required"
    if kind in _WRONG_SHAPES and field in _FIELD_RIGHT:
        right = _FIELD_RIGHT[field]
    elif kind in _RIGHT:
        right = _RIGHT[kind].format(**_bounds(problem))
    else:
        right = problem["msg"].removeprefix("Value error, ")
    return not_valid(place, problem["input"], right)


def _is_shape(part: int | str) -> bool:
    """Whether a part of a place is no field of ours but one of the shapes that a field may have, in pydantic's words."""
    return isinstance(part, str) and (part == "str" or "[" in part)


def _bounds(problem: ErrorDetails) -> dict[str, Any]:
    return {
        name: f"{bound:,}" if isinstance(bound, int) else f"{bound:g}" if isinstance(bound, float) else bound
        for name, bound in problem.get("ctx", {}).items()
    }
