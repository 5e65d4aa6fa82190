"""YAML files as nodes that know their line, so that every mistake can be pointed at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pool_worker.config.mistakes import Mistake, did_you_mean, shown_path

_NULL = "tag:yaml.org,2002:null"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a PyYAML built without libyaml has only the slow one
_LONGEST_SHOWN = 60
_MOST_VALUES = 100_000
_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is being read, and the list in which its mistakes are collected."""

    file: str
    mistakes: list[Mistake] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a file, with its place."""

    node: yaml.Node
    path: str
    document: Document

    @property
    def line(self) -> int:
        """Counted from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def is_null(self) -> bool:
        """Whether nothing stands here: `name:` without a value."""
        return bool(self.node.tag == _NULL)

    @property
    def is_mapping(self) -> bool:
        """Whether names and values stand here."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def place(self) -> str:
        """For mentioning it elsewhere: `models.free_tier[0] (line 5)`."""
        return f"{self.path} (line {self.line})"

    @property
    def shown(self) -> str:
        """As it stands in the file, shortened; words in quotes, numbers and the like bare."""
        if not isinstance(self.node, yaml.ScalarNode):
            return "a list" if isinstance(self.node, yaml.SequenceNode) else "a mapping"
        text: str = self.node.value
        text = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
        return json.dumps(text, ensure_ascii=False) if self.node.tag.endswith(":str") else text or "nothing"

    def wrong(self, problem: str, right: str, *, secret: bool = False) -> None:
        """Record a mistake here."""
        shown = "the value" if secret else self.shown
        self.document.mistakes.append(Mistake(self.document.file, self.line, self.path, shown, problem, right))

    def items(self) -> Iterator[Value]:
        """The values of a list; a mistake if it is none. Nothing is an empty list."""
        if self.is_null:
            return
        if not isinstance(self.node, yaml.SequenceNode):
            self.wrong("is not a list", "write e.g. [a, b], or one item a line, each after a dash")
            return
        for number, node in enumerate(self.node.value):
            yield Value(node, f"{self.path}[{number}]", self.document)


class Fields:
    """The named values of a mapping. Unknown and repeated names are mistakes, found when it is made.

    Nothing (`name:` without a value) is an empty mapping.
    """

    def __init__(self, value: Value, known: Iterable[str] | None = None, *, elsewhere: Mapping[str, str] | None = None) -> None:
        """Args: known: the names that may occur; None: any. elsewhere: name → the file that it belongs in, to say so."""
        self.value = value
        self._elsewhere = elsewhere or {}
        self._values: dict[str, Value] = {}
        self._is_mapping = value.is_null or isinstance(value.node, yaml.MappingNode)
        if not self._is_mapping:
            value.wrong("is not a mapping", "write names and values, e.g. name: value")
        if not isinstance(value.node, yaml.MappingNode):
            return
        names = None if known is None else frozenset(known)
        for name_node, node in value.node.value:
            self._add(name_node, node, names)

    def _add(self, name_node: yaml.Node, node: yaml.Node, known: frozenset[str] | None) -> None:
        path = self.value.path
        if not isinstance(name_node, yaml.ScalarNode):
            Value(name_node, path, self.value.document).wrong("is no name", "write one word before the colon")
            return
        name = name_node.value
        here = Value(name_node, f"{path}.{name}" if path else name, self.value.document)
        if name in self._values:
            here.wrong(f"stands here twice (first on line {self._values[name].line})", "keep one of the two")
        elif known is not None and name not in known:
            home = self._elsewhere.get(name)
            here.wrong("is not known here", f"it belongs in {home}" if home else did_you_mean(name, known))
        else:
            self._values[name] = Value(node, here.path, self.value.document)

    def __getitem__(self, name: str) -> Value | None:
        """The value of that name; None if it is absent or null."""
        value = self._values.get(name)
        return None if value is None or value.is_null else value

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        """Names and values, in the file's order."""
        return iter(self._values.items())

    def need(self, name: str, right: str) -> Value | None:
        """As `[name]`, but its absence is a mistake."""
        value = self[name]
        if value is None and self._is_mapping:
            self.missing(name, right)
        return value

    def missing(self, name: str, right: str) -> None:
        """Record that a name is missing from this mapping."""
        here = self.value
        path = f"{here.path}.{name}" if here.path else name
        here.document.mistakes.append(Mistake(here.document.file, here.line, path, "", "is missing", right))

    def section(self, name: str, known: Iterable[str] | None = None) -> Fields | None:
        """The mapping under that name, or None."""
        value = self[name]
        return None if value is None else Fields(value, known)


def read_document(path: Path, mistakes: list[Mistake]) -> Value:
    """The root of a YAML file; null if it is empty, or cannot be read (then that is a mistake)."""
    document = Document(shown_path(path), mistakes)
    try:
        return parse_document(path.read_bytes().decode("utf-8-sig"), document)
    except UnicodeDecodeError as error:
        mistakes.append(Mistake(document.file, None, "", "", f"is not UTF-8 text (byte {error.start})", "save it as UTF-8"))
    except OSError as error:
        mistakes.append(
            Mistake(document.file, None, "", "", f"cannot be read ({error.strerror})", "check the path and its rights")
        )
    return nothing(document)


def nothing(document: Document) -> Value:
    """The root of an empty document."""
    start = yaml.Mark(document.file, 0, 0, 0, "", 0)
    return Value(yaml.ScalarNode(_NULL, "", start, start), "", document)


def parse_document(text: str, document: Document, *, loader: type[yaml.SafeLoader] = _LOADER) -> Value:
    """The root of a YAML text; null if it is empty or malformed (then that is a mistake)."""
    line: int | None = None
    try:
        problem = "nested too deeply" if _is_deep(text, loader) else ""
        root = None if problem else yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, problem = (mark.line + 1 if mark else None), error.problem or "malformed"
    except yaml.reader.ReaderError as error:
        line, problem = text.count("\n", 0, error.position) + 1, f"character #x{error.character:04x} is not allowed"
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the slow scanner lets through what int() and chr() say
        problem = str(error)
    else:
        if root is not None and "*" in text and max(_extent(root, {})) > _MOST_VALUES:
            problem = "too large, or nested in itself, once its aliases (*name) are written out"
        if not problem:
            return nothing(document) if root is None else Value(root, "", document)
    has_tab = line is not None and "\t" in "".join(text.splitlines()[line - 1 : line])
    right = "indent with blanks, not with tabs" if has_tab else "mend it there or just above"
    document.mistakes.append(Mistake(document.file, line, "", "", f"is not YAML: {problem}", right))
    return nothing(document)


def _is_deep(text: str, loader: type[yaml.SafeLoader]) -> bool:
    """Whether a text is nested too deeply; asked before it is composed, which takes a piece of the C stack for every level."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            return True
    return False


def _extent(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many values a node stands for once its aliases are written out, and how deep; beyond `_MOST_VALUES`: too much."""
    if id(node) not in known:
        known[id(node)] = (_MOST_VALUES + 1, 0)  # what an alias to a node that is not yet closed meets
        below = [_extent(child, known) for child in _children(node)]
        values, depth = 1 + sum(each[0] for each in below), 1 + max((each[1] for each in below), default=0)
        known[id(node)] = (values, depth if depth <= _DEEPEST else _MOST_VALUES + 1)
    return known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
