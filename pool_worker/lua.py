"""Lua scripts: one file per operation in a room's folder `lua`, read once, run by hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

_OPERATION = "-- Purpose:"
"""Only operations have such a line in their head; what they share has not."""
_ROOMS = __package__
_INCLUDE = re.compile(r"^-- include (\S+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """A script, whole.

    Every line `-- include FILE.lua` (of the same room), `-- include ROOM/FILE.lua` or `-- include client/FILE.lua` (of the
    client's own) is replaced by that file, each file once.
    """

    text: str
    sha: str


@cache
def script(package: str, name: str) -> Script:
    """The script of one operation: `lua/<name>.lua` in a package.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    text = _resolve(package, f"{name}.lua", set())
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def read_script(package: str, name: str) -> str:
    """The text of a script (see `script`)."""
    return script(package, name).text


def _resolve(package: str, name: str, seen: set[tuple[str, str]]) -> str:
    def included(match: re.Match[str]) -> str:
        room, _, file = match[1].rpartition("/")
        it = ("pool_client" if room == "client" else f"{_ROOMS}.{room}" if room else package, file)
        if it in seen:
            return ""
        seen.add(it)
        return _resolve(*it, seen)

    return _INCLUDE.sub(included, (files(package) / "lua" / name).read_text(encoding="utf-8"))


async def load_scripts(redis: Redis, *packages: str) -> None:
    """Have the server know every operation of these packages.

    What is asked together is then also done in that order: a script that the server does not know yet is asked for twice, and
    what was asked after it comes first.
    """
    for package in packages:
        for file in (files(package) / "lua").iterdir():
            if _OPERATION in file.read_text(encoding="utf-8"):
                await redis.script_load(read_script(package, file.name.removesuffix(".lua")))


async def run_script(
    redis: Redis, package: str, name: str, *, keys: Sequence[str] = (), arguments: Sequence[str | int] = ()
) -> Any:
    """Run a script by its hash, sending its text where the server does not know it (then nothing has run yet).

    Returns:
        Its answer, with text as `str` whether or not the client decodes.
    """
    it = script(package, name)
    try:
        answer = await redis.evalsha(it.sha, len(keys), *keys, *cast(Sequence[str], arguments))
    except NoScriptError:
        answer = await redis.eval(it.text, len(keys), *keys, *cast(Sequence[str], arguments))
    return _as_text(answer)


def run_script_blocking(
    redis: BlockingRedis, package: str, name: str, *, keys: Sequence[str] = (), arguments: Sequence[str | int] = ()
) -> Any:
    """As `run_script`, for threads."""
    it = script(package, name)
    try:
        answer = redis.evalsha(it.sha, len(keys), *keys, *cast(Sequence[str], arguments))
    except NoScriptError:
        answer = redis.eval(it.text, len(keys), *keys, *cast(Sequence[str], arguments))
    return _as_text(answer)


def _as_text(answer: Any) -> Any:
    if isinstance(answer, bytes):
        return answer.decode()
    if isinstance(answer, list):
        return [_as_text(item) for item in answer]
    return answer
