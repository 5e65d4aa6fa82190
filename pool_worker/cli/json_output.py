"""What `--json` prints: money as decimal strings, times in ISO 8601."""

from __future__ import annotations

import json
from collections.abc import Iterable

import typer
from pydantic_core import to_jsonable_python


def print_json_object(thing: object) -> None:
    """Print a dataclass, a record of the contract or a mapping as one JSON object."""
    _print(to_jsonable_python(thing))


def print_json_list(things: Iterable[object]) -> None:
    """Print a listing as one JSON array of objects."""
    _print([to_jsonable_python(thing) for thing in things])


def _print(plain: object) -> None:
    typer.echo(json.dumps(plain, ensure_ascii=False, indent=2))
