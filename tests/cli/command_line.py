"""The real command line, as processes, on homes that are thrown away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from command_server import server

READY_WITHIN_S = 60.0
GONE_WITHIN_S = 20.0


@dataclass
class CommandLine:
    """`model-pool` as a user has it: a folder to work in, and an environment without any of our variables."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def in_folder(cls, folder: Path, *, columns: int = 200) -> Self:
        """With its home in there."""
        ours = {name for name in os.environ if name.startswith("MODEL_POOL_") or name == "ENCRYPTION_KEY"}
        clean = {name: value for name, value in os.environ.items() if name not in ours}
        own = {"HOME": str(folder), "MODEL_POOL_HOME": str(folder / "home"), "COLUMNS": str(columns)}
        return cls(folder, clean | own)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "pool_worker.cli.main", *arguments]

    def run(
        self, *arguments: str, text: str | None = None, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A process of its own, to its end."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "stdin").write_text(text or "", encoding="utf-8")
            environment = {**self.environment, **(variables or {})}
            code = server().run(arguments, cwd=self.folder, env=environment, folder=folder, within_s=60)
            said, complained = ((folder / stream).read_text(encoding="utf-8") for stream in ("stdout", "stderr"))
        return subprocess.CompletedProcess(arguments, code, said, complained)


@dataclass
class Up:
    """A `model-pool up` under way."""

    process: subprocess.Popen[str]
    home: Path
    output: list[str] = field(default_factory=list)

    def wait_for(self, words: str, *, within_s: float = READY_WITHIN_S) -> str:
        """Read what it prints until a line has these words."""
        assert self.process.stdout is not None
        until = time.monotonic() + within_s
        for line in self.process.stdout:
            self.output.append(line.rstrip())
            if words in line:
                return line.rstrip()
            assert time.monotonic() < until, self.output
        pytest.fail(f"it ended without {words!r}:\n" + "\n".join(self.output))

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "up.json").read_text())
        return found

    @property
    def pids(self) -> dict[str, int]:
        return dict(self.record["pids"])

    def end(self, number: signal.Signals) -> int:
        """Send a signal as a terminal does, to the whole group, read the rest of what it prints, and return the exit code."""
        os.killpg(self.process.pid, number)
        rest, _ = self.process.communicate(timeout=GONE_WITHIN_S)
        self.output += rest.splitlines()
        return self.process.returncode


def is_gone(pid: int) -> bool:
    """Whether no such process is there, or only its dead shell."""
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pids: Mapping[str, int]) -> None:
    """Wait for processes to end."""
    wait_until(lambda: all(map(is_gone, pids.values())), what=pids)


def wait_until(true: Callable[[], bool], *, within_s: float = GONE_WITHIN_S, what: object = "") -> None:
    """Look again and again, for what other processes do."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.03)
