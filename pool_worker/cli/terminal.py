"""Where the command line writes: answers to stdout, everything about them to stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import typer
from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class CommandError(Exception):
    """A command cannot do what it was asked to; the message says why and what would be right."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a listing as one JSON array, for `--json`."""
    typer.echo(json.dumps(list(rows), ensure_ascii=False, indent=2, default=str))
