"""Single values of a file, each as its Python type. A wrong one is recorded as a mistake, and the default takes its place."""

from __future__ import annotations

import re
import zoneinfo
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

import yaml

from pool_worker.config.document import Fields, Value
from pool_worker.config.mistakes import did_you_mean

D = TypeVar("D")
E = TypeVar("E", bound=StrEnum)

MOST = 10**15
"""No limit, price or duration is larger."""

NAME = re.compile(r"[\w.:/@+-]{1,128}")
"""The contract's names: of models, agents, capabilities, task types."""

_NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][+-]?\d{1,3})?", re.ASCII)
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def text(value: Value | None, default: D) -> str | D:
    """Any text that is not empty; bare numbers are taken as they are written."""
    if value is None:
        return default
    node = value.node
    if (
        isinstance(node, yaml.ScalarNode)
        and node.value.strip()
        and node.tag.rpartition(":")[2] in {"str", "int", "float", "timestamp"}
    ):
        return str(node.value)
    value.wrong("is not text", 'write a word, or text in quotes: "…"')
    return default


def name(value: Value | None, default: D, pattern: re.Pattern[str] = NAME) -> str | D:
    """An id or the like."""
    found = text(value, None)
    if value is None or found is None:
        return default
    if not pattern.fullmatch(found):
        value.wrong("cannot be a name", f"write at most 128 of the characters {_characters(pattern)}")
        return default
    return found


def _characters(pattern: re.Pattern[str]) -> str:
    return "a-z 0-9 - _" if pattern is not NAME else "A-Z a-z 0-9 _ . : / @ + -"


def names(value: Value | None) -> frozenset[str]:
    """A list of names."""
    found = () if value is None else (name(item, None) for item in value.items())
    return frozenset(each for each in found if each is not None)


def decimal(value: Value | None, default: D, *, least: Decimal | int = 0, most: Decimal | int = MOST) -> Decimal | D:
    """A number, exactly as it is written."""
    found = _number(value, "a number", "0.5", between=(least, most))
    return default if found is None else found


def whole(value: Value | None, default: D, *, least: int = 1, most: int = MOST, example: int = 30) -> int | D:
    """A whole number."""
    found = _number(value, "a whole number", str(example), between=(least, most))
    if value is None or found is None:
        return default
    if found != found.to_integral_value():
        value.wrong("is not a whole number", f"write e.g. {example}")
        return default
    return int(found)


def _number(value: Value | None, kind: str, example: str, *, between: tuple[Decimal | int, Decimal | int]) -> Decimal | None:
    if value is None:
        return None
    node = value.node
    if not isinstance(node, yaml.ScalarNode) or not _NUMBER.fullmatch(node.value):
        value.wrong(f"is not {kind}", f"write e.g. {example}")
        return None
    if node.style:
        value.wrong(f"is text, not {kind}", "write it without the quotes")
        return None
    found = Decimal(node.value.replace("_", ""))
    least, most = between
    if least <= found <= most:
        return found
    value.wrong(*(("is too small", f"write {least} or more") if found < least else ("is too large", f"write {most} or less")))
    return None


def flag(value: Value | None, default: D) -> bool | D:
    """`true` or `false`."""
    if value is None:
        return default
    found = _FLAGS.get(value.node.value.lower()) if isinstance(value.node, yaml.ScalarNode) else None
    if found is None:
        value.wrong("is neither true nor false", "write true or false")
        return default
    return found


def choice(value: Value | None, kind: type[E], default: D) -> E | D:
    """One of the words of an enumeration."""
    words = {member.value: member for member in kind}
    return one_of(value, words, default)


def one_of(value: Value | None, words: dict[str, E], default: D) -> E | D:
    """One of the given words, as what it stands for."""
    found = text(value, None)
    if value is None or found is None:
        return default
    if found not in words:
        value.wrong("is not possible here", did_you_mean(found, words))
        return default
    return words[found]


def timezone(value: Value | None, default: D) -> str | D:
    """A name of the time zone database."""
    found = text(value, None)
    if value is None or found is None:
        return default
    if found not in _timezones():
        near = did_you_mean(found, _timezones())
        value.wrong("is not a time zone", near if near.endswith("?") else "write e.g. UTC or America/Los_Angeles")
        return default
    return found


@cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def plain(value: Value | None) -> dict[str, Any]:
    """A mapping of anything (`metadata`, `extra`) as plain Python."""
    return {} if value is None else {key: _plain(each) for key, each in Fields(value)}


def _plain(value: Value) -> Any:
    if isinstance(value.node, yaml.MappingNode):
        return {key: _plain(each) for key, each in Fields(value)}
    if isinstance(value.node, yaml.SequenceNode):
        return [_plain(each) for each in value.items()]
    written = str(value.node.value)
    match value.node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return _FLAGS.get(written.lower(), written)
        case "int" | "float" if _NUMBER.fullmatch(written):
            number = Decimal(written.replace("_", ""))
            return int(number) if number == number.to_integral_value() and abs(number) <= MOST else float(number)
        case _:
            return written
