"""Taking turns at getting ready.

If all the jobs that a worker has claimed got ready side by side, each would be slow, a lease would be old before its call is
sent, and a job that fails over would wait behind every new one.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from pool_worker.broker.claims import claims


class Turn:
    """One job's turn: from opening it until it has its lease, or has left."""

    def __init__(self, gate: asyncio.Semaphore, tag: str) -> None:
        self._gate = gate
        self._tag = tag
        self._goes_on = False

    async def __aenter__(self) -> Self:
        claims.begins(self._tag)
        await self._gate.acquire()
        self._goes_on = True
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """Let the next job get ready; what this one does from here on waits for nobody. Ending twice is ending once."""
        if self._goes_on:
            self._goes_on = False
            self._gate.release()
            claims.has_begun(self._tag)
