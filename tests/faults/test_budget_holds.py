"""A budget that covers 57 of 200 jobs (17 of 60 every day) that ask at once, on workers that are killed: so much is bought."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal

import pytest
from lab import Lab, until
from runs import IS_FULL, Seed, StartLab, sized, tell
from sqlalchemy import func, select

from pool_client import JobHandle
from pool_client.job import JobState
from pool_worker import redis_keys
from pool_worker.ledger.database import open_database
from pool_worker.ledger.tables import usage_logs

A_CALL = Decimal("0.01")
COVERED = sized(17, 57)
BUDGET = A_CALL * COVERED + A_CALL / 2
PER_CALL = {"cost": float(A_CALL), "cost_per_1k_input_tokens": 0, "cost_per_1k_output_tokens": 0}
PAID = "openai-small"
ASKED = {"park": sized(24, 80), "degrade": sized(18, 60), "fail": sized(18, 60)}
SOON_S = 30.0
ASKS_EVERY_S = 5.0
"""A lane that waits for another day asks no more often with another of its jobs whether there is money again."""


def submit(lab: Lab) -> list[JobHandle]:
    """Of each kind in turn."""
    jobs: list[JobHandle] = []
    for on_exhausted, count in ASKED.items():
        jobs += lab.submit(count, label=on_exhausted, model=PAID, on_exhausted=on_exhausted, cache=False)
    return jobs


def wait_for_tomorrow(lab: Lab, jobs: list[JobHandle]) -> int:
    """How many of the jobs are parked until another day."""
    with lab.redis.client.pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.zscore(redis_keys.PARKED, job.id)
        return sum(due is not None and due / 1000 > time.time() + SOON_S for due in pipe.execute())


def settle_down(lab: Lab, jobs: list[JobHandle], *, within_s: float) -> None:
    """Until all have ended that would not wait, those who wait know that it is for another day, and the books are written."""
    impatient = jobs[ASKED["park"] :]
    until(lambda: lab.ended(impatient) == len(impatient), within_s=within_s, what="an end of all that would not wait")
    most_s = within_s + ASKS_EVERY_S * ASKED["park"]
    until(lambda: lab.ended(jobs) + wait_for_tomorrow(lab, jobs) == len(jobs), within_s=most_s, what="an end of all that can end")
    until(lambda: lab.redis.client.xlen(redis_keys.OUTBOX) == 0, within_s=within_s, what="an empty outbox")


def booked(lab: Lab) -> tuple[Counter[str], Decimal]:
    """Outcome → calls, and what they cost, by the ledger."""
    engine = open_database(lab.database_url)
    log = usage_logs.c
    with engine.connect() as connection:
        rows = connection.execute(
            select(log.outcome, func.count(), func.sum(log.cost)).where(log.model_id == PAID).group_by(log.outcome)
        ).all()
    engine.dispose()
    return Counter({outcome: count for outcome, count, _ in rows}), sum((cost for *_, cost in rows), Decimal(0))


def became(lab: Lab, jobs: list[JobHandle]) -> Counter[str]:
    found: Counter[str] = Counter()
    for job, state in zip(jobs, lab.states(jobs).values(), strict=True):
        degraded = state == "succeeded" and job.result(timeout=5).degraded
        found["degraded" if degraded else state] += 1
    return found


@pytest.mark.timeout(600)
def test_so_many_calls_are_bought_as_the_budget_covers(start_lab: StartLab) -> None:
    lab = start_lab(latency_ms=30, model=PER_CALL, daily_budget_usd=float(BUDGET))
    for name in ("a", "b", "c"):
        lab.start_worker(name, concurrency=100, ready=False)
    lab.until_ready("a", "b", "c")
    lab.start_beat()
    jobs = submit(lab)
    settle_down(lab, jobs, within_s=30)

    calls, spent = booked(lab)
    assert calls["ok"] == COVERED
    assert spent == Decimal(lab.simulator.counts()["totals"]["bill_usd"]) == A_CALL * COVERED <= BUDGET
    all_of = became(lab, jobs)
    assert all_of["succeeded"] == COVERED
    assert sum(all_of.values()) == sum(ASKED.values())
    by_kind = {kind: became(lab, jobs[start : start + count]) for kind, (start, count) in slices().items()}
    assert set(by_kind["park"]) <= {"succeeded", "parked"}
    assert set(by_kind["degrade"]) <= {"succeeded", "degraded"}
    assert set(by_kind["fail"]) <= {"succeeded", "failed"}
    waits = [status for status in (job.status() for job in jobs[: ASKED["park"]]) if status.state is JobState.PARKED]
    assert {status.wait_reason for status in waits} == {"budget all: money per day"}


def slices() -> dict[str, tuple[int, int]]:
    """Of the jobs in the order of their submission, those of each kind: where they begin, and how many they are."""
    found, start = {}, 0
    for kind, count in ASKED.items():
        found[kind] = (start, count)
        start += count
    return found


@pytest.mark.skipif(not IS_FULL, reason="leases of killed workers end after a minute")
@pytest.mark.timeout(900)
def test_nor_is_it_overrun_when_workers_are_killed(start_lab: StartLab, seed: Seed) -> None:
    """A call whose worker died may have been made: it is booked, and its money is spent."""
    rng = seed.rng()
    lab = start_lab(latency_ms=60, model=PER_CALL, daily_budget_usd=float(BUDGET), providers={"openai": {"timeout_s": 5}})
    for name in ("a", "b", "c"):
        lab.start_worker(name, concurrency=4, ready=False)
    lab.until_ready("a", "b", "c")
    lab.start_beat()
    jobs = submit(lab)
    for number in range(4):
        until(lambda number=number: lab.simulator.counts()["totals"]["charges"] >= 10 * (number + 1), within_s=60)
        name = rng.choice(sorted(lab.workers))
        lab.workers[name].kill()
        lab.start_worker(name, concurrency=4)
    settle_down(lab, jobs, within_s=90)

    calls, spent = booked(lab)
    bill = Decimal(lab.simulator.counts()["totals"]["bill_usd"])
    tell(f"budget of {BUDGET} USD, 4 workers killed: booked {spent}, billed {bill}, {dict(calls)}; {seed}")
    assert bill <= spent <= BUDGET
    assert calls["ok"] + calls["AbandonedError"] == COVERED
    assert became(lab, jobs)["succeeded"] == calls["ok"]
