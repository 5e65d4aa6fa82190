"""Work with a database that is away, locked or silent: it holds up neither the loop nor whoever leaves."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading

import pytest
from sqlalchemy.exc import OperationalError

from pool_worker.maintenance.clerk import Clerk

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def away() -> int:
    refused = ConnectionRefusedError("nobody listens\nat all")
    raise OperationalError(statement="INSERT", params={}, orig=refused)


def broken() -> int:
    msg = "a mistake of ours"
    raise KeyError(msg)


async def test_one_piece_at_a_time() -> None:
    clerk, go_on = Clerk("filing"), threading.Event()
    first = asyncio.create_task(clerk.do(lambda: go_on.wait(10) and 7))
    await asyncio.sleep(0)
    assert await clerk.do(lambda: 8) == 0, "the first waits yet"
    go_on.set()
    assert await first == 7
    assert await clerk.do(lambda: 8) == 8


async def test_a_piece_goes_on_when_nobody_waits_for_it_any_more() -> None:
    clerk, go_on, filed = Clerk("filing"), threading.Event(), threading.Event()
    task = asyncio.create_task(clerk.do(lambda: (go_on.wait(10), filed.set()) and 1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await clerk.do(lambda: 8) == 0
    go_on.set()
    assert await asyncio.to_thread(filed.wait, 10)


async def test_a_database_that_is_away_is_told_once_and_so_is_its_return(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    clerk = Clerk("filing")
    assert [await clerk.do(away), await clerk.do(away), await clerk.do(lambda: 3), await clerk.do(away)] == [0, 0, 3, 0]
    assert [record.getMessage() for record in caplog.records] == [
        "filing waits for the database: nobody listens",
        "filing goes on",
        "filing waits for the database: nobody listens",
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_mistake_of_ours_is_neither_hidden_nor_the_end() -> None:
    clerk = Clerk("filing")
    with pytest.raises(RuntimeError, match="filing failed"):
        await clerk.do(broken)
    for thread in threading.enumerate():
        if thread.name == "filing":
            thread.join()
    assert await clerk.do(lambda: 3) == 3


STUCK = """
import asyncio, threading
from pool_worker.maintenance.clerk import Clerk

async def leave():
    asyncio.create_task(Clerk("filing").do(lambda: threading.Event().wait() and 0))
    await asyncio.sleep(0.05)

asyncio.run(leave())
"""


def test_a_process_leaves_although_its_database_never_answers() -> None:
    assert subprocess.run([sys.executable, "-c", STUCK], check=False, timeout=20).returncode == 0
