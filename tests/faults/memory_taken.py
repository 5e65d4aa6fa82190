"""How much memory something takes at the most."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

BOUND_MB = 96
"""How much memory one reply may take on its way."""


def peak_mb(action: Callable[[], object]) -> float:
    """By how much the memory of this process grew, at the most, while something was done."""
    status = Path("/proc/self/status")

    def read(name: str) -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name))

    Path("/proc/self/clear_refs").write_text("5")  # the peak is the present from here on
    before = read("VmRSS")
    action()
    return (read("VmHWM") - before) / 1024
