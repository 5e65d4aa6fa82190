"""Reading and running Lua scripts: shared parts are included when a file is read, runs are by hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

LUA = Path(__file__).parent / "lua"

_INCLUDE = re.compile(r"^-- include (\S+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, whole."""

    text: str
    sha: str


def read_script(path: Path) -> str:
    """The text of a script with every `-- include FILE` line (relative to its file) replaced by that file, each file once."""
    return _resolve(path.resolve(), set())


def _resolve(path: Path, seen: set[Path]) -> str:
    def included(match: re.Match[str]) -> str:
        target = (path.parent / match[1]).resolve()
        if target in seen:
            return ""
        seen.add(target)
        return _resolve(target, seen)

    return _INCLUDE.sub(included, path.read_text(encoding="utf-8"))


@cache
def script(name: str) -> Script:
    """The script of one operation of ours: `lua/<name>.lua`."""
    text = read_script(LUA / f"{name}.lua")
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


async def run(redis: Redis, name: str, *, keys: Sequence[str] = (), arguments: Sequence[str | int] = ()) -> Any:
    """Run a script by its hash, sending its text where the server does not know it (then nothing has run yet).

    Returns:
        Its answer, with text as `str` whether or not the client decodes.
    """
    it = script(name)
    try:
        answer = await redis.evalsha(it.sha, len(keys), *keys, *cast(Sequence[str], arguments))
    except NoScriptError:
        answer = await redis.eval(it.text, len(keys), *keys, *cast(Sequence[str], arguments))
    return _as_text(answer)


def _as_text(answer: Any) -> Any:
    if isinstance(answer, bytes):
        return answer.decode()
    if isinstance(answer, list):
        return [_as_text(item) for item in answer]
    return answer
