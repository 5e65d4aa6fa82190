"""The room under test, in a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from small_pool import Limits, connect


@pytest.fixture
def limits(redis_url: str) -> Iterator[Limits]:
    with asyncio.Runner() as runner:
        client = connect(redis_url)
        yield Limits(client, runner.run)
        runner.run(client.aclose())
