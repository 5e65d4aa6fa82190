"""The next release of Model Pool, as far as tests need one: a copy of this one with another contract, run as processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import Lab, until

from pool_worker.cli.celery_commands import worker_module

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class NextRelease:
    """Entered as a context manager; its processes end with it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab = lab
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for package in ("pool_client", "pool_worker"):
            shutil.copytree(ROOT / package, self._folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "beat_schedule.py", self._folder)
        shutil.copy(HERE / "submitting.py", self._folder)
        contract = self._folder / "pool_client" / "job.py"
        text = contract.read_text().replace("Literal[1]", "Literal[2]").replace("CONTRACT_VERSION: Literal[2] = 1", _TWO)
        assert _TWO in text
        contract.write_text(
            text.replace('    agent: Name = "default"\n', '    agent: Name = "default"\n    mood: str = "calm"\n', 1)
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def submit(self, count: int) -> list[str]:
        """Submit jobs of its own kind; returns their ids."""
        told = self._start(["submitting", self._lab.redis.url, str(count)])
        out, _ = told.communicate(timeout=60)
        found: list[str] = json.loads(out)
        return found

    def start_worker(self, name: str) -> subprocess.Popen[bytes]:
        """A worker that serves every queue; returns when it claims jobs."""
        module = worker_module(queues=self._lab.queues, name=name, concurrency=10, log_level="warning")
        worker = self._start(module)
        until(lambda: self._lab.is_ready(name) or worker.poll() is not None, within_s=60, what="the next release's worker")
        assert worker.poll() is None
        return worker

    def _start(self, module: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {**self._lab.environment(), "PYTHONPATH": str(self._folder)}
        process = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=self._folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._stack.callback(process.communicate)
        self._stack.callback(process.kill)
        return process


_AGENT = '    agent: Name = "default"\n'
_TWO = "CONTRACT_VERSION: Literal[2] = 2"
