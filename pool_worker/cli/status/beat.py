"""Whether a beat that is not there yet is on its way: `up` is ready, and takes jobs, a moment before its beat is."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from pool_worker.cli.running import running_on

STARTS_WITHIN = timedelta(seconds=20)
"""From the beginning of `up` on: a slow machine needs half of it."""


def beat_is_starting(home: Path, *, now: datetime) -> bool:
    """Whether a system was started on this home so lately that its beat may not have its lock yet."""
    running = running_on(home)
    return running is not None and "beat" in running.pids and now - running.since < STARTS_WITHIN
