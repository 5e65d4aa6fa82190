"""500 jobs through two worker processes, limits on: everything once, nothing too much, and the books agree with the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from system_fixture import Running, Start

from pool_client import Result
from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker import redis_keys
from pool_worker.ledger import tables
from pool_worker.ledger.calls import By
from pool_worker.ledger.reports import usage
from pool_worker.simulator.answers import expected_digest

JOBS = 500
PRIORITIES = ("low", "normal", "high", "critical")
LONG_AGO = datetime.now(UTC) - timedelta(days=1)


def prompt(number: int) -> str:
    return f"Report {number}: what do these {number % 7 + 1} lines of the log tell? " + "x" * (number % 50)


@pytest.mark.timeout(240)
def test_every_job_ends_once_and_the_books_agree_with_the_judge(start_system: Start) -> None:
    running = start_system(workers=2)
    jobs = [running.pool.submit(prompt(number), priority=PRIORITIES[number % 4], max_tokens=60) for number in range(JOBS)]
    results = [job.result(timeout=180) for job in jobs]

    for number, result in enumerate(results):
        assert result.content.startswith(f"echo {expected_digest(prompt(number))}")
    counts = running.counts()
    assert counts["jobs"]["charged"] == JOBS
    assert counts["totals"]["duplicates"] == 0
    assert counts["totals"]["refused"] == 0
    assert counts["totals"]["requests"] == JOBS
    assert all(window["overshoot"] == 0 for window in windows(counts))
    assert_nothing_is_left(running)

    engine = running.stop()
    assert_books_agree(counts, {row.group: row for row in usage(engine, since=LONG_AGO, by=By.KEY)})
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(tables.jobs)).scalar() == JOBS
        billed = connection.execute(select(func.sum(tables.usage_logs.c.cost))).scalar()
    assert billed == sum(result.cost_usd for result in results)
    engine.dispose()


def windows(counts: dict) -> Iterator[dict]:
    for provider in counts["providers"].values():
        for key in provider["keys"].values():
            yield from key["windows"]


def assert_nothing_is_left(running: Running) -> None:
    client = running.redis
    held = [entry for entry in client.hvals(redis_keys.UNACKED) if not entry.startswith(MAINTENANCE_QUEUE)]  # beat goes on
    assert not held
    assert client.zcard(redis_keys.PARKED) == client.zcard(redis_keys.LEASES) == 0


def assert_books_agree(counts: dict, books: dict) -> None:
    judged = Counter()
    for name, provider in counts["providers"].items():
        for key_id, key in provider["keys"].items():
            if key["requests"]:
                row = books[key_id]
                assert (row.calls, row.input_tokens, row.output_tokens) == (
                    key["requests"],
                    key["input_tokens"],
                    key["output_tokens"],
                )
                judged[name] += row.calls
    assert sum(judged.values()) == JOBS == sum(row.calls for row in books.values())


def test_a_provider_that_dies_in_mid_run_fails_no_job(start_system: Start) -> None:
    running = start_system(workers=2)
    jobs = [running.pool.submit(prompt(number), max_tokens=60) for number in range(150)]
    jobs[0].result(timeout=60)
    running.simulator.fault("cerebras", "down")
    jobs += [running.pool.submit(prompt(number), max_tokens=60) for number in range(150, 300)]
    results: list[Result] = [job.result(timeout=120) for job in jobs]

    assert len(results) == 300
    failovers = [result for result in results if result.attempts[0].outcome != "ok"]
    assert failovers, "the dead provider was noticed by nobody"
    for result in failovers:
        assert result.attempts[0].provider == "cerebras"
        assert result.provider != "cerebras"
        assert [attempt.is_call for attempt in result.attempts] == [True] * len(result.attempts), "in place, without a rest"
        assert result.attempts[-1].added_ms > 0  # how much: benchmarks/failover.py
    assert {result.provider for result in results[150:]}.isdisjoint({"cerebras"})
