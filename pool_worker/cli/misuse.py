"""What is wrong with how a command was called, in one sentence: the option, the value, what would be right."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from typer.exceptions import TyperException

from pool_worker.cli.terminal import program

RIGHT = {
    "float_parsing": "write a number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "less_than_equal": "write {le} or less",
    "greater_than_equal": "write {ge} or more",
    "less_than": "write less than {lt}",
    "greater_than": "write more than {gt}",
}
"""By pydantic's name of the mistake, for Typer checks values with it."""


def misuse_words(error: TyperException) -> str:
    """The sentence."""
    hint = _place(error)
    if hint:
        return f"{hint}: {_problem(error)}"
    words = error.format_message().rstrip(".")
    if words.startswith("Got unexpected extra argument"):
        return f"{words}; a text of several words stands in quotes"
    return words


def where_help_is(error: TyperException) -> str | None:
    """The command that shows how it is called; None if the error knows no command."""
    context: Any = getattr(error, "ctx", None)
    if context is None:
        return None
    return " ".join([program(), *context.command_path.split()[1:], "--help"])


def _place(error: Any) -> str:
    """The option or argument that is wrong; empty if the error is not about one that was given."""
    if type(error).__name__ != "BadParameter":
        return ""
    hint = error.param_hint or (error.param.get_error_hint() if error.param is not None else "")
    return (hint if isinstance(hint, str) else " / ".join(hint)).replace("'", "")


def _problem(error: Any) -> str:
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return str(error.message).rstrip(".")
    first = cause.errors(include_url=False)[0]
    if right := RIGHT.get(first["type"]):
        bounds = {name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in first.get("ctx", {}).items()}
        return f'"{first["input"]}" is not valid; {right.format(**bounds)}'
    return first["msg"].removeprefix("Value error, ").rstrip(".")
