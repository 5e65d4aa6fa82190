"""Small promises about messages, each broken once: order, counting, cancelling, bells."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from model import LEASE_MS, message
from on_valkey import Valkey

from pool_client.job import Priority
from pool_client.outcome import cancelled
from pool_worker.broker.delivery import Delivery
from pool_worker.broker.jobs import For, Jobs

NOW_MS = 1_000_000_000


@pytest.fixture
def valkey(redis_url: str) -> Iterator[Valkey]:
    with asyncio.Runner() as runner:
        valkey = Valkey(redis_url, runner.get_loop())
        valkey.clock.now_ms = NOW_MS
        yield valkey
        valkey.close()


def submit(valkey: Valkey, *job_ids: str) -> None:
    for job_id in job_ids:
        valkey.submit(job_id, "free", Priority.CRITICAL, None, message=message(job_id))


def claim(valkey: Valkey, prefix: str, limit: int = 1000) -> list[tuple[str, int, str]]:
    """Tag, deliveries, task id."""
    return [(tag, n, json.loads(text)["headers"]["id"]) for tag, _, n, text in valkey.claim(prefix, ["free"], limit)[1]]


def a_lease_passes(valkey: Valkey) -> int:
    return sum(valkey.sweep() for valkey.clock.now_ms in range(NOW_MS, NOW_MS + LEASE_MS + 1, LEASE_MS // 3))


def test_what_was_claimed_together_comes_back_in_order(valkey: Valkey) -> None:
    ids = [f"job{n:04}" for n in range(12)]
    submit(valkey, *ids)
    claim(valkey, "a.")
    assert a_lease_passes(valkey) == 12
    assert [task_id for _, _, task_id in claim(valkey, "b.")] == ids


def test_what_was_renewed_together_comes_back_in_order(valkey: Valkey) -> None:
    submit(valkey, "job1", "job2", "job3")
    tags = [claim(valkey, prefix, 1)[0][0] for prefix in ("1.", "2.", "3.")]  # as `Channel` makes them
    valkey.renew(tags)
    assert a_lease_passes(valkey) == 3
    assert [task_id for _, _, task_id in claim(valkey, "d.")] == ["job1", "job2", "job3"]


def test_waiting_is_no_death_also_when_the_tasks_id_is_not_the_jobs(valkey: Valkey) -> None:
    """As in a chain, or after `send_task(TASK_NAME, args=(job_id,))`."""
    valkey.submit("job1", "free", Priority.CRITICAL, None, message=message("task1"))
    for number in range(4):
        [(tag, deliveries, _)] = claim(valkey, f"c{number}.")
        assert deliveries == 1
        delivery = Delivery(task_id="task1", tag=tag, queue="free", deliveries=deliveries)
        jobs = Jobs(valkey._redis, worker="w")
        valkey._run(jobs.open("job1", delivery))
        valkey._leave(delivery, jobs.park("job1", delivery, wait=For(0), reason="no quota", trail=[]))
        valkey.clock.now_ms += 60_000
        valkey.release_due()


@pytest.mark.parametrize("back", ["given back", "swept"])
def test_a_job_that_nobody_runs_any_more_is_cancelled_at_once(valkey: Valkey, back: str) -> None:
    submit(valkey, "job1")
    [(tag, _, _)] = claim(valkey, "a.")
    valkey.open(Delivery(task_id="job1", tag=tag, queue="free", deliveries=1), worker="w")
    if back == "given back":
        valkey.give_back(tag, task_id="job1")
    else:
        a_lease_passes(valkey)
    assert valkey.cancel("job1", cancelled("job1", at=datetime.now(UTC))) == "cancelled"


def test_who_serves_another_queue_is_woken_for_what_a_claim_leaves_there(valkey: Valkey) -> None:
    """One worker serves free and free.groq, another only free.groq and is idle: no need to wait for its next look-round."""
    submit(valkey, "job1", "job2")
    valkey.hear(["free"])  # by a worker that died, say
    valkey.submit("job3", "free.groq", Priority.CRITICAL, None, message=message("job3"))
    assert valkey.hear(["free", "free.groq"]) == "free.groq"
    valkey.claim("a.", ["free", "free.groq"], 1)
    assert valkey.hear(["free.groq"]) == "free.groq"
