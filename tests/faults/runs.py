"""How long a run is, and where its random numbers begin.

`FAULTS=full` makes the runs long (see `make faults`), `FAULTS_SEED=n` repeats one.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab import Lab

IS_FULL = os.environ.get("FAULTS") == "full"

StartLab = Callable[..., Lab]
"""The fixture `start_lab`."""


def sized(quick: int, full: int) -> int:
    """A number of jobs, kills or seconds: for every day, or for the full run."""
    return full if IS_FULL else quick


def tell(text: object) -> None:
    """Say something for the report: shown with `pytest -s` (`make faults`), or when the test fails."""
    print(text, flush=True)  # noqa: T201 - this is how


def lasts(seconds: float) -> None:
    """A fault lasts this long: its length is part of it, and nothing is awaited."""
    time.sleep(seconds)


@dataclass(frozen=True)
class Seed:
    """Where a run's random numbers begin; it goes into every failing assertion."""

    number: int

    @classmethod
    def chosen(cls) -> Seed:
        """The one asked for, else a new one."""
        return cls(int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(1_000_000)))

    def rng(self) -> random.Random:
        """The run's random numbers."""
        return random.Random(self.number)  # noqa: S311 - nothing secret

    def __str__(self) -> str:
        return f"repeat it with FAULTS_SEED={self.number}"
