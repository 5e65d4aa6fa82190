"""The ledger's writer: from the outbox into the tables, once each, whoever dies on the way."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, Table, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from pool_client.job import Attempt, Job, JobState, Priority, Result, Tier
from pool_worker import redis_keys
from pool_worker.embedded_redis import EmbeddedRedis
from pool_worker.ledger.rows import AlertRow, AttemptRow, EventRow, JobRow, attempt_row, job_row
from pool_worker.ledger.tables import agent_events, alerts, jobs, usage_logs
from pool_worker.ledger.writer import drain

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Read = Callable[[Table], list[Any]]
Send = Callable[..., None]


DIES_AFTER_COMMIT = """
import os, signal, sys
import redis
from sqlalchemy import event
from pool_worker.ledger.database import open_database
from pool_worker.ledger.writer import drain

engine = open_database(sys.argv[2])
committed = []
event.listen(engine, "commit", committed.append)
event.listen(engine, "checkin", lambda *_: committed and os.kill(os.getpid(), signal.SIGKILL))
drain(redis.Redis.from_url(sys.argv[1]), engine)
"""


def attempts(count: int, *, job_id: str = "a") -> list[AttemptRow]:
    cost = Decimal("0.000000000001")
    return [
        AttemptRow(
            attempt_id=f"{job_id}:{n}",
            job_id=job_id,
            attempt=n,
            agent="x",
            queue="free",
            outcome="ok",
            created_at=NOON,
            cost=cost,
        )
        for n in range(1, count + 1)
    ]


def test_every_kind_of_row_reaches_its_table(redis_client: redis.Redis, engine: Engine, send: Send, read: Read, job: Job) -> None:
    cost = Decimal("1.000000000001")
    attempt = Attempt(id="attempt-1", number=1, outcome="ok", queue="free.groq", started_at=NOON, cost_usd=cost)
    result = Result(job_id=job.id, content="!", model_id="groq/llama", provider="groq", attempts=[attempt])
    alert = AlertRow(alert_id="1", severity="info", source="t", cause="c", title="T", message="M", created_at=NOON)
    happened = EventRow(event_id="1", agent_id="x", event_type="failover", created_at=NOON, event_data={"from": "groq"})
    rows = attempt_row(job, attempt), job_row(job, result, finished_at=NOON), alert, happened
    send(*rows)

    assert drain(redis_client, engine) == 4
    assert drain(redis_client, engine) == 0

    (logged,) = read(usage_logs)
    assert (logged.attempt_id, logged.cost, logged.created_at) == ("attempt-1", cost, NOON)
    (ended,) = read(jobs)
    assert (ended.state, ended.cost, ended.submitted_at) == ("succeeded", cost, NOON)
    (told,) = read(alerts)
    assert (told.severity, told.acknowledged) == ("info", False)
    (event_row,) = read(agent_events)
    assert event_row.event_data == {"from": "groq"}
    assert redis_client.xlen(redis_keys.OUTBOX) == 0
    assert redis_client.xpending(redis_keys.OUTBOX, "ledger")["pending"] == 0


def test_a_writer_killed_between_commit_and_acknowledgement_books_nothing_twice(
    redis_client: redis.Redis, redis_url: str, engine: Engine, send: Send, read: Read
) -> None:
    send(*attempts(5))
    database_url = engine.url.render_as_string(hide_password=False)

    killed = subprocess.run([sys.executable, "-c", DIES_AFTER_COMMIT, redis_url, database_url], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(read(usage_logs)) == 5
    assert redis_client.xpending(redis_keys.OUTBOX, "ledger")["pending"] == 5

    assert drain(redis_client, engine) == 0, "they may still be in somebody's hands"
    assert drain(redis_client, engine, takeover_ms=0) == 5
    assert len(read(usage_logs)) == 5
    assert redis_client.xlen(redis_keys.OUTBOX) == 0
    assert redis_client.xlen(redis_keys.OUTBOX_REJECTED) == 0


def test_a_database_that_fails_leaves_the_rows_in_the_outbox(
    redis_client: redis.Redis, engine: Engine, send: Send, read: Read
) -> None:
    send(*attempts(3))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE usage_logs RENAME TO away"))
    with pytest.raises((OperationalError, ProgrammingError)):
        drain(redis_client, engine)
    assert redis_client.xlen(redis_keys.OUTBOX) == 3
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO usage_logs"))

    assert drain(redis_client, engine) == 3, "at once, for it was given back"
    assert len(read(usage_logs)) == 3


def test_malformed_entries_are_set_aside_with_the_reason_and_their_neighbours_booked(
    redis_client: redis.Redis, redis_server: EmbeddedRedis, engine: Engine, send: Send, read: Read
) -> None:
    first, last = attempts(2)
    send(first)
    redis_client.xadd(redis_keys.OUTBOX, {"kind": "poem", "id": "1", "data": "{}"})
    redis_client.xadd(redis_keys.OUTBOX, {"kind": "attempt", "id": "1", "data": b"\xff\xfe"})
    redis_client.xadd(redis_keys.OUTBOX, {"what": "ever"})
    send(last)

    assert drain(redis_client, engine) == 5

    assert [row.attempt_id for row in read(usage_logs)] == ["a:1", "a:2"]
    with redis.Redis(port=redis_server.port) as raw:
        rejected = [fields for _, fields in raw.xrange(redis_keys.OUTBOX_REJECTED)]
    reasons = [fields[b"reason"] for fields in rejected]
    assert reasons == [
        b"kind: 'poem' is none of attempt, job, alert, delivery, event",
        b"the entry is not UTF-8 text",
        b"kind: missing; an entry has the fields kind, id and data",
    ]
    assert rejected[1][b"data"] == b"\xff\xfe", "kept byte for byte"


def test_a_row_that_only_the_database_refuses_does_not_block_its_neighbours(
    redis_client: redis.Redis, engine: Engine, send: Send, read: Read
) -> None:
    rows = attempts(3)
    send(rows[0], replace(rows[1], error_message="NUL \0 here"), rows[2])

    assert drain(redis_client, engine) == 3

    refused = [fields["reason"] for _, fields in redis_client.xrange(redis_keys.OUTBOX_REJECTED)]
    booked = [row.attempt_id for row in read(usage_logs)]
    if engine.dialect.name == "postgresql":  # SQLite takes a NUL
        assert booked == ["a:1", "a:3"]
        assert refused[0].startswith("the database refuses it: ")
    else:
        assert booked == ["a:1", "a:2", "a:3"]
        assert refused == []


def test_the_limit_bounds_one_call(redis_client: redis.Redis, engine: Engine, send: Send) -> None:
    send(*attempts(5))
    assert [drain(redis_client, engine, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_writers_at_once_share_the_work_and_book_every_row_once(
    redis_client: redis.Redis, redis_server: EmbeddedRedis, engine: Engine, send: Send, read: Read
) -> None:
    send(*attempts(300), *attempts(10))
    moved: list[int] = []

    def work(takeover_ms: int) -> None:
        with redis.Redis(port=redis_server.port) as client:
            while count := drain(client, engine, limit=20, takeover_ms=takeover_ms):
                moved.append(count)

    # Two of them take over what the others still hold: the worst case, the same rows in several transactions.
    threads = [threading.Thread(target=work, args=(takeover_ms,)) for takeover_ms in (60_000, 60_000, 0, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    while drain(redis_client, engine, takeover_ms=0):
        pass
    assert len(read(usage_logs)) == 300
    assert redis_client.xlen(redis_keys.OUTBOX) == 0
    assert redis_client.xlen(redis_keys.OUTBOX_REJECTED) == 0
    assert sum(moved) <= 310


def test_a_job_is_told_anew_by_a_later_end_only(redis_client: redis.Redis, engine: Engine, send: Send, read: Read) -> None:
    ended = JobRow(
        job_id="a",
        agent="x",
        state=JobState.FAILED,
        priority=Priority.HIGH,
        tier=Tier.FREE,
        submitted_at=NOON,
        finished_at=NOON,
        cost=Decimal(1),
    )
    unfinished = replace(ended, state=JobState.RUNNING, finished_at=None)
    states = []
    for row in (
        unfinished,
        ended,
        unfinished,
        replace(ended, state=JobState.CANCELLED, finished_at=NOON - timedelta(seconds=1)),
        replace(ended, state=JobState.SUCCEEDED, finished_at=NOON + timedelta(seconds=1), cost=Decimal(2)),
    ):
        send(row)
        drain(redis_client, engine)
        (stored,) = read(jobs)
        states.append((stored.state, stored.cost))
    assert states == [("running", 1), ("failed", 1), ("failed", 1), ("failed", 1), ("succeeded", 2)]


def test_what_was_only_estimated_gives_way_to_who_knows(
    redis_client: redis.Redis, engine: Engine, send: Send, read: Read
) -> None:
    """A worker that was cut off for so long that its call was booked for it comes back."""
    [known] = attempts(1)
    estimated = replace(known, outcome="AbandonedError", cost=Decimal(9))
    told = []
    for row in (estimated, known, estimated, replace(known, outcome="ProviderFailedError")):
        send(row)
        drain(redis_client, engine)
        (stored,) = read(usage_logs)
        told.append((stored.outcome, stored.success, stored.cost))
    assert told == [("AbandonedError", False, Decimal(9))] + 3 * [("ok", True, known.cost)]
