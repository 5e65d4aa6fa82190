"""This machine: Python, and room for the embedded data."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from pool_worker.cli.doctor.finding import Finding, failure, ok, warning
from pool_worker.cli.terminal import as_typed

OLDEST_PYTHON = (3, 11)
TIGHT_BYTES = 1_000_000_000
NO_ROOM_BYTES = 100_000_000


def check_python() -> Iterator[Finding]:
    """The interpreter's version."""
    here = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        yield ok("python", here)
    else:
        yield failure("python", f"{here} is too old", f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer")


def check_home(home: Path) -> Iterator[Finding]:
    """Rights and room in the home folder, or where it would be made."""
    there = next(place for place in (home, *home.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield failure("home", f"{there} cannot be written to", f"chown it to {_user()}, or name another folder with --home")
        return
    free = shutil.disk_usage(there).free
    made = "" if there == home else f" (made by {as_typed('up')})"
    text = f"{home}{made}, {free / 1e9:.1f} GB free"
    if free < NO_ROOM_BYTES:
        yield failure("home", text, "make room: a full disk stops Redis and the ledger")
    elif free < TIGHT_BYTES:
        yield warning("home", text, "make room soon")
    else:
        yield ok("home", text)


def _user() -> str:
    return f"user {os.getuid()}"
