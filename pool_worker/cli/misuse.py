"""What is wrong with how a command was called, in one sentence: the option, the value, what would be right."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from typer.exceptions import TyperException

from pool_worker.cli.terminal import program
from pool_worker.cli.withholding import HOW_A_KEY_IS_GIVEN

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
    return _too_many(error) if words.startswith("Got unexpected extra argument") else words


def where_help_is(error: TyperException) -> str | None:
    """The command that shows how it is called; None if the error knows no command."""
    context: Any = getattr(error, "ctx", None)
    if context is None:
        return None
    return " ".join([program(), *context.command_path.split()[1:], "--help"])


def _too_many(error: Any) -> str:
    """They are not repeated: one may be a key."""
    if "keys" in error.ctx.command_path.split():
        return f"too many arguments; {HOW_A_KEY_IS_GIVEN}"
    takes_text = any(param.name == "prompt" for param in error.ctx.command.params)
    return "too many arguments" + ("; a text of several words stands in quotes" if takes_text else "")


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
