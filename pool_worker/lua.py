"""Reads Lua scripts: one file per operation, with `-- include name.lua` lines for what several of them share."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_INCLUDE = re.compile(r"^-- include (\S+)$", re.MULTILINE)


@cache
def read_script(package: str, name: str) -> str:
    """The text of `lua/<name>.lua` in a package, includes resolved (relative to the same folder).

    Raises:
        FileNotFoundError: if there is no such script.
    """
    folder = files(package) / "lua"
    text = (folder / f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda found: (folder / found[1]).read_text(encoding="utf-8"), text)
