"""Where the command line writes: answers to stdout, everything about them to stderr; and how it names its own commands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from pool_worker.cli.global_options import given_options

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

PROGRAM = "model-pool"
SECRET = re.compile(r"//.*@|[?&]password=")
"""In a URL: a password, or a name that may stand in place of one."""


class CommandError(Exception):
    """A command cannot do what it was asked to; the message says why and what would be right."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def as_typed(words: str) -> str:
    """A command of ours, such as `up --simulate`, as this user can type it here.

    The program is named so that this shell finds it, and `--redis`, `--home` and `--config` are repeated if the command that runs
    now was given them; a URL with a password is not (see `option_of`).
    """
    return " ".join([program(), words, *(option_of(flag, value) for flag, value in given_options().items() if value)])


def option_of(flag: str, value: str) -> str:
    """`--redis URL`, to be typed; in place of a URL with a password stands the variable in which people keep it."""
    return f'{flag} "$MODEL_POOL_REDIS_URL"' if SECRET.search(value) else f"{flag} {shlex.quote(value)}"


def in_columns(rows: Mapping[str, str]) -> str:
    """Commands and what each is for, a line each, one below the other."""
    width = max(map(len, rows))
    return "\n".join(f"  {command:<{width}}   {purpose}" for command, purpose in rows.items())


def program() -> str:
    """The program as this user can call it: its bare name if PATH leads to it, else its path, relative where that is shorter."""
    script = Path(sys.argv[0])
    if script.name != PROGRAM:  # it was started as `python -m …`
        script = Path(sys.executable).with_name(PROGRAM)
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m pool_worker.cli.main"
    on_path = shutil.which(PROGRAM)
    if on_path is not None and script.samefile(on_path):
        return PROGRAM
    relative = os.path.relpath(script)
    near = relative if os.sep in relative else f".{os.sep}{relative}"
    return shlex.quote(min(near, str(script), key=len))
