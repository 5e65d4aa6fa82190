"""The recorded refusals, the moment at which they are read, and a client to ask with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pool_worker.providers.http import open_http

RECORDINGS = sorted((Path(__file__).parent / "fixtures").glob("*.json"))


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.stem)
def recording(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One recorded refusal with what it means."""
    return json.loads(request.param.read_text())


@pytest.fixture(scope="session")
def recordings() -> list[dict[str, Any]]:
    """All of them."""
    return [json.loads(path.read_text()) for path in RECORDINGS]


@pytest.fixture(scope="session")
def now() -> datetime:
    """A Saturday noon, UTC: 12 h before UTC's midnight, 20 h before Los Angeles's, 9.5 days before December."""
    return datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """The client of a worker."""
    async with open_http(concurrency=8) as client:
        yield client
