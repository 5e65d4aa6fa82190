"""Labs for the fault runs, and their seeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from lab_processes import Nursery
from runs import Seed, StartLab, tell


@pytest.fixture
def seed() -> Seed:
    chosen = Seed.chosen()
    tell(chosen)
    return chosen


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def start_lab(tmp_path: Path, nursery: Nursery) -> Iterator[StartLab]:
    """`start_lab(latency_ms=…, visibility_s=…, providers=…)`; it ends with the test."""
    with ExitStack() as stack:

        def start(**options: Any) -> Lab:
            return stack.enter_context(Lab(tmp_path / f"lab-{len(list(tmp_path.iterdir()))}", nursery=nursery, **options))

        yield start
