"""Child processes that are kept running: started again when they die, until they are stopped or die again and again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, Self

from pool_worker.cli.lifeline import AT_ONCE

KEPT_LINES = 10
LONG_LIFE_S = 30.0
"""A process that lived this long and then died is no crash loop."""
QUICK_DEATHS = 5
"""So many short lives in a row are one."""


class Report(Protocol):
    """Who is told what goes on. Called from several threads."""

    def log(self, part: str, line: str) -> None:
        """A child wrote a line."""

    def note(self, text: str) -> None:
        """Something happened that a person may want to know."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait before a process that died is started again."""

    first_s: float = 0.25
    most_s: float = 8.0

    def pause_s(self, quick_deaths: int) -> float:
        """The pause after so many short lives in a row."""
        return min(self.most_s, self.first_s * 2.0 ** max(0, quick_deaths - 1))


class Lifeline:
    """Two pipes by which children hang on this process, and by which they are let go; see `pool_worker.cli.lifeline`."""

    def __init__(self) -> None:
        self._life, self._life_held = os.pipe()
        self._gate, self._gate_held = os.pipe()
        self._is_open = False

    @property
    def inherited(self) -> tuple[int, ...]:
        """The file descriptors that a child needs."""
        return (self._life, self._gate)

    def command(self, module: Sequence[str], *, grace_s: float, at_once: bool) -> list[str]:
        """The command that runs a Python module at this lifeline: at once, or as soon as the gate is open."""
        gate = AT_ONCE if at_once else self._gate
        return [sys.executable, "-m", "pool_worker.cli.lifeline", str(self._life), str(gate), str(grace_s), *module]

    def open_gate(self) -> None:
        """Let the children begin, these and later ones."""
        if not self._is_open:
            self._is_open = True
            os.close(self._gate_held)

    def close(self) -> None:
        """Let go: what still hangs on it leaves."""
        self.open_gate()
        for pipe in (self._life_held, self._life, self._gate):
            os.close(pipe)


class Child:
    """One process of the system, in a session of its own, so that Ctrl-C in the terminal reaches only its parent.

    A thread passes on what it writes and starts it again when it dies; `failure` tells when that was given up.
    """

    def __init__(
        self,
        name: str,
        module: Sequence[str],
        *,
        environment: Mapping[str, str],
        report: Report,
        lifeline: Lifeline,
        grace_s: float,
        at_once: bool = True,
        back_off: BackOff | None = None,
    ) -> None:
        self.name = name
        self.deaths = 0
        """How often it ended without being asked to."""
        self.failure: str | None = None
        """Why it is not running and will not be started again."""
        self._command = lifeline.command(module, grace_s=grace_s, at_once=at_once)
        self._environment = dict(environment)
        self._inherited = lifeline.inherited
        self._report = report
        self._back_off = back_off or BackOff()
        self._last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._leaving = threading.Event()
        self._starting = threading.Lock()
        self._thread = threading.Thread(target=self._keep_running, name=f"keep-{name}", daemon=True)

    def start(self) -> Self:
        """Start the process, and the thread that keeps it running."""
        self._process = self._spawn()
        self._thread.start()
        return self

    @property
    def pid(self) -> int:
        """Process id of the life it is in, or was in last."""
        return self._process.pid

    @property
    def last_lines(self) -> str:
        """What it wrote last."""
        return "\n".join(self._last_lines)

    @property
    def is_running(self) -> bool:
        """Whether the process is there at this moment."""
        return self._process.poll() is None

    def ask_to_leave(self) -> None:
        """Send SIGTERM; it will not be started again."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL; it will not be started again."""
        self._signal(signal.SIGKILL)

    def join(self) -> None:
        """Wait until it has left and its last line was passed on."""
        self._process.wait()
        self._thread.join(timeout=1)

    def _signal(self, number: signal.Signals) -> None:
        with self._starting:
            self._leaving.set()
        if self.is_running:
            self._process.send_signal(number)

    def _spawn(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - our own modules
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._environment,
            pass_fds=self._inherited,
            start_new_session=True,
        )

    def _keep_running(self) -> None:
        quick_deaths = 0
        while True:
            began = monotonic()
            self._pass_on_lines()
            ending = _ending(self._process.wait())
            if self._leaving.is_set():
                return
            self.deaths += 1
            quick_deaths = 1 if monotonic() - began >= LONG_LIFE_S else quick_deaths + 1
            if quick_deaths >= QUICK_DEATHS:
                self.failure = f"{self.name} {ending}, {quick_deaths} times in a row"
                return
            pause_s = self._back_off.pause_s(quick_deaths)
            self._report.note(f"{self.name} {ending}; it is started again in {pause_s:g} s")
            if self._leaving.wait(pause_s) or not self._start_again():
                return

    def _start_again(self) -> bool:
        with self._starting:
            if self._leaving.is_set():
                return False
            self._process = self._spawn()
        return True

    def _pass_on_lines(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as lines:
                for line in lines:
                    self._last_lines.append(line.rstrip())
                    self._report.log(self.name, line.rstrip())


def _ending(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"


def is_alive(pid: int) -> bool:
    """Whether a process with this id is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
