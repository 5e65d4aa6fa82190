"""What `--json` prints: money as decimal strings, times in ISO 8601."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

import typer
from pydantic import BaseModel
from pydantic_core import to_jsonable_python


def print_json_object(thing: object) -> None:
    """Print a dataclass, a record of the contract or a mapping as one JSON object."""
    _print(thing)


def print_json_list(things: Iterable[object]) -> None:
    """Print a listing as one JSON array of objects."""
    _print(list(things))


def _print(thing: object) -> None:
    typer.echo(json.dumps(thing, default=_plain, ensure_ascii=False, indent=2))


def _plain(thing: object) -> Any:
    """One level of what JSON does not know."""
    if isinstance(thing, BaseModel):
        return dict(thing)
    if is_dataclass(thing) and not isinstance(thing, type):
        return {each.name: getattr(thing, each.name) for each in fields(thing)}
    if isinstance(thing, Decimal):
        return f"{thing.normalize():f}"  # a sum from a database may be written 0E-12
    return to_jsonable_python(thing)
