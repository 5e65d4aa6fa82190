"""What Redis is still to be told of a job: it travels with the job's next step, one trip instead of several."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Telling = Callable[[], Awaitable[object]]
"""Tells Redis one thing."""

T = TypeVar("T")


class Owed:
    """See the module's docstring."""

    def __init__(self) -> None:
        self._tellings: list[Telling] = []

    def append(self, *tellings: Telling) -> None:
        """Owe this as well, after what is owed already."""
        self._tellings.extend(tellings)

    async def told_with(self, step: Awaitable[T]) -> T:
        """What is owed, then this step: they travel together, in this order; what the step gives.

        What is owed is told also when the step is cancelled.
        """
        tellings, self._tellings = self._tellings, []
        told = asyncio.gather(*(tell() for tell in tellings))
        _, taken = await asyncio.gather(asyncio.shield(told), step)
        return taken

    async def tell(self) -> None:
        """What is owed, without a step."""
        await self.told_with(asyncio.sleep(0))
