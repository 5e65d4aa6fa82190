"""Mistakes of configuration files: where, what, and what would be right. They are collected and told all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pool_client.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake. It prints as `file:line: path: value problem; right`."""

    file: str
    line: int | None
    path: str
    """Where in the file: `models.free_tier[0].rpm_limit`, or the variable's name."""
    value: str
    """As it may be shown; empty where there is none, or where it is secret."""
    problem: str
    right: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        complaint = f"{self.value} {self.problem}".strip()
        return ": ".join(part for part in (place, self.path, f"{complaint}; {self.right}") if part)


class ConfigError(ConfigurationError):
    """The configuration has mistakes."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes), key=lambda each: (each.file, each.line or 0, each.path, each.problem)))
        super().__init__("\n".join(map(str, self.mistakes)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, or all there are."""
    candidates = sorted(known)
    near = difflib.get_close_matches(name, candidates, n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"there are {', '.join(candidates)}" if candidates else "there are none"


def shown_path(path: Path) -> str:
    """A path as a person would type it: relative where it is inside the working folder."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
