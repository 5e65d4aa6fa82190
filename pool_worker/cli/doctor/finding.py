"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    """It works, or would; a person may want to know."""
    FAILURE = "failure"
    """It does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    check: str
    state: State
    text: str
    mend: str = ""
    """What to do about it; empty where nothing needs doing."""


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, State.OK, text)


def warning(check: str, text: str, mend: str) -> Finding:
    """Something a person may want to know."""
    return Finding(check, State.WARNING, text, mend)


def failure(check: str, text: str, mend: str) -> Finding:
    """Something that does not work."""
    return Finding(check, State.FAILURE, text, mend)
