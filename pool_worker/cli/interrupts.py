"""Ctrl-C and its kin, counted instead of thrown: the main loop looks, and leaves in order."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """While it is entered, SIGINT, SIGTERM and SIGHUP only add to `count`. For the main thread."""

    def __init__(self) -> None:
        self.count = 0
        self._earlier: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    def _add(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1

    def __enter__(self) -> Self:
        self._earlier = {number: signal.signal(number, self._add) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
