"""A value that fits a simple JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def example_of(schema: Any, text: str, *, sparse: bool = False) -> Any:
    """A value of the schema's type in which every string is `text`; of an object every property, or (sparse) the required ones.

    It knows types (Gemini's capital ones too), `properties`, `required`, `enum`, `const`, `minimum` and the first of `anyOf`;
    references, patterns and lengths it does not, and an array is empty.
    """
    if not isinstance(schema, Mapping):
        return text
    if choices := [schema["const"]] if "const" in schema else schema.get("enum"):
        return choices[0]
    if alternatives := schema.get("anyOf"):
        return example_of(alternatives[0], text, sparse=sparse)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = str(kind[0] if isinstance(kind, list) and kind else kind).lower()
    if kind == "object":
        properties, required = schema.get("properties") or {}, schema.get("required") or ()
        return {name: example_of(of, text, sparse=sparse) for name, of in properties.items() if not sparse or name in required}
    if kind in {"integer", "number"}:
        return schema.get("minimum", 0)
    return {"boolean": True, "array": [], "null": None}.get(kind, text)
