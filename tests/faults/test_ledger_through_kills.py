"""Fault 15, at scale: writers, Redis and the database are killed while attempts arrive, and the books are right to the cent."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from checker import check
from lab import Lab, LabRedis, until
from redis_runs import all_end, some_end
from reservations import COUNTED
from runs import Seed, StartLab, lasts, sized, tell
from sql_runs import Database, postgresql, sqlite
from sqlalchemy import func, select

from pool_client import JobHandle
from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker import redis_keys
from pool_worker.ledger.database import open_database
from pool_worker.ledger.rows import AttemptRow
from pool_worker.ledger.tables import usage_logs

OPEN: dict[str, Callable[[Path], AbstractContextManager[Database]]] = {"sqlite": sqlite, "postgresql": postgresql}
AT_ONCE = 50
WAITING_AT_MOST = 2000
"""Rows in the outbox, so that the writers have something to do to the end."""

WRITER = """
import sys, time
import redis
from sqlalchemy.exc import SQLAlchemyError
from pool_client.redis_connection import connect
from pool_worker.ledger.database import open_database
from pool_worker.ledger.writer import drain

client, engine = connect(sys.argv[1]), open_database(sys.argv[2])
print("ready", flush=True)
while True:
    try:
        if not drain(client, engine, limit=200, takeover_ms=200):
            time.sleep(0.002)
    except (SQLAlchemyError, redis.RedisError):
        time.sleep(0.01)
"""


def attempt(number: int) -> AttemptRow:
    return AttemptRow(
        attempt_id=f"{number}",
        job_id=f"{number}",
        attempt=1,
        agent="x",
        queue="free",
        outcome="ok",
        model_id=f"m{number % 8}",
        created_at=datetime(2026, 11, 21, tzinfo=UTC) + timedelta(milliseconds=number),
        cost=Decimal(number + 1) / 1_000_000,
    )


@dataclass
class Sender:
    """Puts rows into the outbox, and those whose answer was lost once more, as a worker's `finish` is repeated."""

    url: str
    rows: Sequence[AttemptRow]
    sent: int = 0
    repeated: int = 0

    def work(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            while self.sent < len(self.rows):
                until(lambda: self._may_go_on(client), within_s=60)
                some = self.rows[self.sent : self.sent + AT_ONCE]
                try:
                    with client.pipeline() as pipe:
                        for row in some:
                            pipe.xadd(redis_keys.OUTBOX, dict(row.to_fields()))
                        pipe.execute()
                except redis.RedisError:
                    self.repeated += len(some)
                else:
                    self.sent += len(some)

    def _may_go_on(self, client: redis.Redis) -> bool:
        try:
            return int(client.xlen(redis_keys.OUTBOX)) < WAITING_AT_MOST
        except redis.RedisError:
            return False


@dataclass
class Writers:
    """Two processes that drain the outbox; whoever is killed is followed by another."""

    redis_url: str
    database_url: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        command = [sys.executable, "-c", WRITER, self.redis_url, self.database_url]
        self.processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))

    def until_ready(self) -> None:
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"

    def kill_one(self) -> None:
        """At any moment: before the insert, between insert and commit, between commit and acknowledgement."""
        victim = self.processes.pop(0)
        victim.kill()
        victim.communicate()
        self.start()

    def end(self) -> None:
        while self.processes:
            process = self.processes.pop()
            process.kill()
            process.communicate()


@contextmanager
def two_writers(redis_url: str, database_url: str) -> Iterator[Writers]:
    writers = Writers(redis_url, database_url)
    try:
        writers.start()
        writers.start()
        writers.until_ready()
        yield writers
    finally:
        writers.end()


@dataclass
class Blows:
    """What is done to the three of them, in random order, but each in its turn."""

    rng: random.Random
    kinds: dict[str, Callable[[], object]]
    struck: Counter[str] = field(default_factory=Counter)
    _left: list[str] = field(default_factory=list)

    def strike(self) -> None:
        if not self._left:
            self._left = self.rng.sample(sorted(self.kinds), len(self.kinds))
        kind = self._left.pop()
        self.kinds[kind]()
        self.struck[kind] += 1

    def __str__(self) -> str:
        return ", ".join(f"{kind} {count} times" for kind, count in sorted(self.struck.items()))


def killed(server: LabRedis, rng: random.Random) -> Callable[[], None]:
    def kill() -> None:
        server.kill()
        lasts(rng.uniform(0, 0.3))
        server.start()

    return kill


def away(database: Database, rng: random.Random) -> Callable[[], None]:
    def take_away() -> None:
        with database.away():
            lasts(rng.uniform(0, 0.5))

    return take_away


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", OPEN)
def test_every_attempt_is_booked_once_whoever_is_killed(tmp_path: Path, kind: str, seed: Seed) -> None:
    rows, blows, rng = [attempt(number) for number in range(sized(3_000, 100_000))], sized(3, 60), seed.rng()
    server = LabRedis(tmp_path / "redis")
    server.start()
    try:
        with OPEN[kind](tmp_path) as database, two_writers(server.url, database.url) as writers, ThreadPoolExecutor() as threads:
            what = {"writers killed": writers.kill_one, "Redis killed": killed(server, rng), "SQL away": away(database, rng)}
            trouble, sender = Blows(rng, what), Sender(server.url, rows)
            work = threads.submit(sender.work)
            for number in range(blows):
                share = (number + rng.random()) / (blows + 1)
                until(lambda share=share: sender.sent >= share * len(rows) or work.done(), within_s=120)
                trouble.strike()
            work.result(timeout=300)
            until(lambda: server.client.xlen(redis_keys.OUTBOX) == 0, within_s=60, what="an empty outbox")
            writers.end()
            count, cost = booked(database.url)
            rejected = server.client.xlen(redis_keys.OUTBOX_REJECTED)
    finally:
        server.close()
    tell(f"fault 15, {len(rows)} attempts ({kind}): {trouble}; {sender.repeated} sent again; booked {count}, {cost} USD; {seed}")
    assert (count, cost, rejected) == (len(rows), sum(row.cost for row in rows), 0), seed


def booked(url: str) -> tuple[int, Decimal]:
    """How many rows there are, and the sum of their money."""
    engine = open_database(url)
    with engine.connect() as connection:
        count, cost = connection.execute(select(func.count(), func.sum(usage_logs.c.cost))).one()
    engine.dispose()
    return int(count), cost


@pytest.mark.timeout(3600)
def test_the_books_are_the_judges_bill_through_kills_of_writer_redis_and_sql(
    tmp_path: Path, start_lab: StartLab, seed: Seed
) -> None:
    """The whole road: jobs, calls that cost money, rows; the judge is the simulator, who sends the bill."""
    rounds, per_round, rng = sized(1, 50), sized(300, 2_000), seed.rng()
    with postgresql(tmp_path) as database:
        # Redis takes a while to come back with all of it; a claim that lapses meanwhile is a second call, which is another fault.
        lab = start_lab(latency_ms=20, visibility_s=30, providers=COUNTED, database_url=database.url)
        ours = [queue for queue in lab.queues if queue != MAINTENANCE_QUEUE]
        for name in ("a", "b"):
            lab.start_worker(name, queues=ours, concurrency=100, ready=False)
        lab.start_worker("writer", queues=[MAINTENANCE_QUEUE])
        lab.until_ready("a", "b")
        lab.start_beat()
        what = {
            "writer killed": lambda: next_writer(lab),
            "Redis killed": killed(lab.redis, rng),
            "SQL killed": away(database, rng),
        }
        trouble, jobs = Blows(rng, what), list[JobHandle]()
        for number in range(rounds):
            some = lab.submit(per_round, label=f"round {number}")
            for share in sorted(rng.uniform(0, 0.8) for _ in range(sized(3, 2))):
                some_end(lab, some, share)
                trouble.strike()
            all_end(lab, some)
            jobs += some
        judged(lab, jobs, database, what=f"{trouble}", seed=seed)


def next_writer(lab: Lab) -> None:
    """Kill the worker that writes the ledger; another takes its place."""
    lab.workers["writer"].kill()
    lab.start_worker("writer", queues=[MAINTENANCE_QUEUE], ready=False)


def judged(lab: Lab, jobs: list[JobHandle], database: Database, *, what: str, seed: Seed) -> None:
    for process in lab.processes:
        if process.name in {"beat", "writer"} and process.is_alive:
            process.kill()  # ticks would come and go under the judge's eyes
    findings = check(lab, jobs)
    bill = Decimal(lab.simulator.counts()["totals"]["bill_usd"])
    count, cost = booked(database.url)
    tell(f"fault 15, the whole road: {what}; {findings}; {count} rows of {cost} USD, the bill is {bill} USD; {seed}")
    assert findings.clean, f"{findings}\n{seed}"
    assert (count, cost) == (findings.charges, bill), seed
