"""What is owed to Redis for a job is told with its next step: once, before it, and whatever becomes of the step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pool_worker.completion.owed import Owed


@pytest.fixture
def told() -> list[str]:
    """What Redis was told, in order."""
    return []


@pytest.fixture
def telling(told: list[str]) -> Callable[[str], Callable[[], Awaitable[str]]]:
    async def tell(it: str) -> str:
        told.append(it)
        return it

    return lambda it: lambda: tell(it)


def test_it_is_told_in_order_and_before_the_step(told: list[str], telling: Callable[[str], Callable[[], Awaitable[str]]]) -> None:
    async def scenario() -> str:
        owed = Owed()
        owed.append(telling("first"), telling("second"))
        owed.append(telling("third"))
        return await owed.told_with(telling("step")())

    assert asyncio.run(scenario()) == "step"
    assert told == ["first", "second", "third", "step"]


def test_it_is_told_once(told: list[str], telling: Callable[[str], Callable[[], Awaitable[str]]]) -> None:
    async def scenario() -> None:
        owed = Owed()
        owed.append(telling("first"))
        await owed.tell()
        await owed.tell()

    asyncio.run(scenario())
    assert told == ["first"]


def test_it_is_told_though_the_step_is_cancelled(told: list[str]) -> None:
    async def scenario() -> None:
        begun, goes_on, has_told = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def slowly() -> None:
            begun.set()
            await goes_on.wait()
            told.append("slow")
            has_told.set()

        owed = Owed()
        owed.append(slowly)
        step = asyncio.create_task(owed.told_with(asyncio.Event().wait()))
        await begun.wait()
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step
        assert told == []
        goes_on.set()
        async with asyncio.timeout(5):
            await has_told.wait()

    asyncio.run(scenario())
    assert told == ["slow"]
