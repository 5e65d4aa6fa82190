"""Fault 15: the ledger's database is killed, frozen, locked or full. Jobs go on, their rows wait, and the books are right."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import redis
from checker import check
from killable_postgres import killable_postgres
from lab import Lab, until
from runs import IS_FULL, Seed, StartLab, sized, tell
from sql_runs import sqlite_locked
from sqlalchemy import Engine, func, select

from pool_client import JobHandle
from pool_worker import redis_keys
from pool_worker.ledger.database import open_database
from pool_worker.ledger.rows import AttemptRow
from pool_worker.ledger.tables import usage_logs
from pool_worker.ledger.writer import drain

BOOKED_WITHIN_S = 15
"""After the database is back; the writer looks every second."""


Outage = Callable[[], AbstractContextManager[object]]


def work_through(lab: Lab, outages: Mapping[str, Outage], *, seed: Seed) -> None:
    """Jobs before, in and after each outage: those in it end in it; afterwards the worker itself brings the books up to date."""
    lab.start_beat()
    lab.start_worker("a")
    count = sized(50, 600)
    jobs = lab.submit(count, label="before")
    for name, outage in outages.items():
        lab.quiesce(jobs)
        until_booked(lab)
        with outage():
            meanwhile = lab.submit(count, label=name)
            lab.quiesce(meanwhile, within_s=20)
            until(lambda: lab.redis.client.xlen(redis_keys.OUTBOX) == 2 * count, what=f"{name}: every row in the outbox")
            outlast(lab, sized(1, 45))
            assert lab.redis.client.xlen(redis_keys.OUTBOX) == 2 * count, name
        until_booked(lab)
        jobs += meanwhile + lab.submit(count, label=f"after {name}")
    lab.quiesce(jobs)
    until_booked(lab)
    judged(lab, jobs, ", ".join(outages), seed)


def until_booked(lab: Lab) -> None:
    until(lambda: not lab.redis.client.xlen(redis_keys.OUTBOX), within_s=BOOKED_WITHIN_S, what="an empty outbox")


def judged(lab: Lab, jobs: list[JobHandle], name: str, seed: Seed) -> None:
    findings = check(lab, jobs)
    tell(f"fault 15, {name}: {findings}; {seed}")
    assert findings.clean, f"{findings}\n{seed}"
    assert booked(lab.database_url) == len(jobs)


def outlast(lab: Lab, seconds: int) -> None:
    """Let beat tick so often, by Redis's clock."""
    end = int(lab.redis.client.time()[0]) + seconds
    until(lambda: int(lab.redis.client.time()[0]) > end, within_s=seconds + 5)


def booked(url: str) -> int:
    engine = open_database(url)
    with engine.connect() as connection:
        count = connection.execute(select(func.count()).select_from(usage_logs)).scalar_one()
    engine.dispose()
    return int(count)


@pytest.mark.timeout(600)
def test_jobs_go_on_while_postgresql_is_away(start_lab: StartLab, seed: Seed) -> None:
    with killable_postgres() as server:
        outages = {
            "server killed": lambda: between(server.kill, server.start),
            "table locked": lambda: server.locked("usage_logs"),
            "server frozen": lambda: between(server.freeze, server.thaw),
            "no connection left": server.full,
        }
        chosen = outages if IS_FULL else dict(itertools.islice(outages.items(), 2))
        work_through(start_lab(database_url=server.url), chosen, seed=seed)


@contextmanager
def between(first: Callable[[], object], last: Callable[[], object]) -> Iterator[None]:
    first()
    try:
        yield
    finally:
        last()


@pytest.mark.timeout(300)
def test_jobs_go_on_while_sqlite_is_locked(start_lab: StartLab, seed: Seed) -> None:
    lab = start_lab()
    work_through(lab, {"SQLite locked": lambda: sqlite_locked(lab.home / "ledger.db")}, seed=seed)


WRITER = """
import sys
import redis
from pool_worker.ledger.database import open_database
from pool_worker.ledger.writer import drain

client, engine = redis.Redis.from_url(sys.argv[1]), open_database(sys.argv[2])
print("ready", flush=True)
while True:
    drain(client, engine, limit=20, takeover_ms=50)
"""


@pytest.mark.timeout(300)
def test_writers_killed_anywhere_book_nothing_twice_and_miss_nothing(redis_url: str, engine: Engine, seed: Seed) -> None:
    """Two at a time, killed at any moment: before the insert, between insert and commit, between commit and acknowledgement."""
    rounds, rng = sized(2, 20), seed.rng()
    rows = [attempt(number) for number in range(400 * rounds)]
    url = engine.url.render_as_string(hide_password=False)
    with redis.Redis.from_url(redis_url) as client:
        for number in range(rounds):
            with two_writers(redis_url, url):
                send(client, rows[number::rounds])
                outlast_ms(client, rng.randrange(60))
        left = client.xlen(redis_keys.OUTBOX)
        while client.xlen(redis_keys.OUTBOX):
            drain(client, engine, takeover_ms=0)
        assert client.xlen(redis_keys.OUTBOX_REJECTED) == 0
    with engine.connect() as connection:
        count, cost = connection.execute(select(func.count(), func.sum(usage_logs.c.cost))).one()
    killed = f"{2 * rounds} kills, {len(rows)} rows, {left} left for the last"
    tell(f"fault 15, writers killed ({engine.dialect.name}): {killed}; {seed}")
    assert (count, cost) == (len(rows), sum(row.cost for row in rows)), seed


def attempt(number: int) -> AttemptRow:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    cost = Decimal(number + 1) / 1000
    return AttemptRow(
        attempt_id=f"{number}", job_id=f"{number}", attempt=1, agent="x", queue="free", outcome="ok", created_at=at, cost=cost
    )


def send(client: redis.Redis, rows: list[AttemptRow]) -> None:
    with client.pipeline() as pipe:
        for row in rows:
            pipe.xadd(redis_keys.OUTBOX, dict(row.to_fields()))
        pipe.execute()


@contextmanager
def two_writers(redis_url: str, url: str) -> Iterator[None]:
    """They are killed at the end."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, redis_url, url], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        yield
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def outlast_ms(client: redis.Redis, ms: int) -> None:
    def now_ms() -> float:
        seconds, microseconds = client.time()
        return float(seconds * 1000 + microseconds / 1000)

    end = now_ms() + ms
    until(lambda: now_ms() >= end)
