"""Reads a `.env` file as variables that know their line. Values are secrets: no mistake shows one."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from pool_worker.config.mistakes import Mistake, shown_path

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PLACEHOLDER = re.compile(
    r"your\b.*|.*\byour[ _-].*|.*[ _-]here|<.*>|.*\.{3}|x{3,}|(change|replace)[ _-]?me|placeholder|dummy|todo|none|null",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Variable:
    """One assignment. `${NAME}` in the value is left as it is: secrets may contain it."""

    name: str
    value: str = field(repr=False)
    line: int


@dataclass(frozen=True, slots=True)
class Assignments:
    """A file's variables, in its order, and the list in which its mistakes are collected."""

    file: str
    variables: list[Variable]
    mistakes: list[Mistake] = field(repr=False)

    def wrong(self, variable: Variable, problem: str, right: str, *, value: str = "") -> None:
        """Record a mistake; `value` is shown and so must not be a secret."""
        self.mistakes.append(Mistake(self.file, variable.line, variable.name, value, problem, right))


def read_assignments(path: Path, mistakes: list[Mistake]) -> Assignments:
    """What a file assigns; whatever else stands there is a mistake, as is a name that comes twice."""
    file = shown_path(path)
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mistakes.append(Mistake(file, None, "", "", f"is not UTF-8 text (byte {error.start})", "save it as UTF-8"))
        content = ""
    except OSError as error:
        mistakes.append(Mistake(file, None, "", "", f"cannot be read ({error.strerror})", "check the path and its rights"))
        content = ""
    found: dict[str, Variable] = {}
    for binding in parse_stream(io.StringIO(content)):
        line = _line(binding)
        if binding.error or (binding.key and (binding.value is None or not _NAME.fullmatch(binding.key))):
            mistakes.append(Mistake(file, line, "", "", "is not an assignment", "write NAME=value, or # before a comment"))
        elif binding.key and binding.key in found:
            problem = f"is set twice (first on line {found[binding.key].line})"
            mistakes.append(Mistake(file, line, binding.key, "", problem, "keep one of the two"))
        elif binding.key:
            found[binding.key] = Variable(binding.key, binding.value or "", line)
    return Assignments(file, list(found.values()), mistakes)


def is_placeholder(value: str) -> bool:
    """Whether a value only says where one is to be put, as in an example file."""
    return _PLACEHOLDER.fullmatch(value) is not None


def _line(binding: Binding) -> int:
    """The parser counts blank lines and comments above an assignment as part of it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
