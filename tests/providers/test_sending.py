"""When a request went out: windows count from then, however long the connection took."""

from __future__ import annotations

import asyncio
import time

import pytest

from pool_worker.completion.calling import Sending
from pool_worker.embedded_redis import free_port
from pool_worker.errors import ProviderFailedError
from pool_worker.providers.http import exchange, open_http
from pool_worker.simulator.server import RunningSimulator

HEADERS = {"authorization": "Bearer sim-groq-1"}


def test_it_is_told_once_for_each_request_before_its_answer(simulator: RunningSimulator) -> None:
    told: list[str] = []

    async def ask_twice_on_one_connection() -> None:
        async with open_http(concurrency=1) as http:
            for number in (1, 2):
                url = f"{simulator.url}/groq/openai/v1/models"
                await exchange(
                    http, url, headers=HEADERS, timeout_s=5, on_sent=lambda number=number: told.append(f"sent {number}")
                )
                told.append(f"answered {number}")

    asyncio.run(ask_twice_on_one_connection())
    assert told == ["sent 1", "answered 1", "sent 2", "answered 2"]


def test_calls_side_by_side_are_not_mixed_up(simulator: RunningSimulator) -> None:
    told: list[int] = []

    async def ask_many() -> None:
        async with open_http(concurrency=8) as http:
            url = f"{simulator.url}/groq/openai/v1/models"
            calls = [exchange(http, url, headers=HEADERS, timeout_s=5, on_sent=lambda n=n: told.append(n)) for n in range(20)]
            await asyncio.gather(*calls)

    asyncio.run(ask_many())
    assert sorted(told) == list(range(20))


def test_a_request_without_a_connection_never_went_out() -> None:
    told: list[str] = []

    async def ask_nobody() -> None:
        async with open_http(concurrency=1) as http:
            url = f"http://127.0.0.1:{free_port()}/"
            await exchange(http, url, headers={}, timeout_s=5, on_sent=lambda: told.append("sent"))

    with pytest.raises(ProviderFailedError, match="not connected"):
        asyncio.run(ask_nobody())
    assert told == []


def test_until_it_went_out_it_may_go_out_now() -> None:
    sending = Sending(time.monotonic() - 2)
    assert 2_000 <= sending.after_ms < 4_000
    sending = Sending(asked_at := time.monotonic() - 2)
    sending.note()
    sent_after_ms = sending.after_ms
    while time.monotonic() < asked_at + 2.01:
        pass
    assert sending.after_ms == sent_after_ms
