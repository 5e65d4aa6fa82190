"""Refusals that only a person can mend are over when a call succeeds, or when nobody asks any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from small_worker import SmallWorker
from sqlalchemy import Engine

from pool_worker.ledger.database import open_database
from pool_worker.ledger.rows import AlertRow
from pool_worker.maintenance.books import write_ledger
from pool_worker.maintenance.recoveries import check_recoveries

A_SECOND = timedelta(seconds=1)


@pytest.fixture
def booked(worker: SmallWorker, engine: Engine) -> SmallWorker:
    """Its ledger is in one database and then in the other."""
    worker.pool.books = replace(worker.pool.books, engine=engine)
    return worker


def answered(worker: SmallWorker, model: str = "groq-small", *, times: int = 1) -> None:
    """Calls there succeed, a second later."""
    moment = worker.pool.now() + A_SECOND
    worker.pool.now = lambda: moment
    worker.simulator.clear_faults()
    worker.heals()
    worker.enroll()
    for _ in range(times):
        worker.submit(model=model)
        assert worker.complete().startswith("succeeded")
    worker.run(write_ledger(worker.pool))


def refused(worker: SmallWorker, **fault: object) -> list[str]:
    worker.simulator.fault("groq", **fault)
    worker.submit()
    worker.complete()
    return [row.title for row in worker.rows(AlertRow)]


def over(worker: SmallWorker) -> list[str]:
    """What is over now, and why."""
    worker.run(write_ledger(worker.pool))
    count = worker.run(check_recoveries(worker.pool))
    found = [f"{row.title}: {row.message}" for row in worker.rows(AlertRow)]
    assert count == len(found)
    return found


def test_a_model_is_there_again_when_a_call_of_it_succeeds(booked: SmallWorker) -> None:
    assert refused(booked, kind="status", status=404) == ["groq#1: The model does not exist."]
    assert over(booked) == []
    answered(booked, "cerebras-small")
    assert over(booked) == [], "that is another"
    answered(booked)
    assert over(booked) == ["model groq:small is no longer refused: a call has succeeded"]
    assert over(booked) == []


def test_a_success_from_before_it_was_told_is_no_sign(worker: SmallWorker) -> None:
    answered(worker)
    moment = worker.pool.now() + A_SECOND
    worker.pool.now = lambda: moment
    refused(worker, kind="status", status=404)
    assert over(worker) == []


def test_a_model_that_is_not_in_use_any_more_is_missed_by_nobody(worker: SmallWorker) -> None:
    refused(worker, kind="status", status=404)
    over(worker)
    worker.pool.registry = replace(worker.pool.registry, disabled={"groq-small": "it is gone"})
    assert over(worker) == ["model groq:small is no longer refused: it is not in use any more"]


def test_a_key_works_again_when_a_call_with_it_succeeds(worker: SmallWorker) -> None:
    refused(worker, kind="unauthorized", key="groq#1")
    answered(worker, times=2)
    assert over(worker) == ["key groq#1 is no longer refused: a call has succeeded"]


def test_another_key_says_nothing_of_it(worker: SmallWorker) -> None:
    refused(worker, kind="unauthorized", key="groq#1")
    keys = worker.pool.registry.keys
    only_second = tuple(replace(key, is_active=key.id != "groq#1") if key.provider == "groq" else key for key in keys)
    worker.configure(keys=only_second)
    answered(worker)
    worker.configure(keys=keys)
    assert over(worker) == []


def test_a_revoked_key_is_missed_by_nobody(worker: SmallWorker) -> None:
    refused(worker, kind="unauthorized", key="groq#1")
    over(worker)
    worker.configure(keys=tuple(key for key in worker.pool.registry.keys if key.id != "groq#1"))
    assert over(worker) == ["key groq#1 is no longer refused: it is not in use any more"]


def test_while_the_database_is_away_no_refusal_is_over(worker: SmallWorker) -> None:
    refused(worker, kind="unauthorized", key="groq#1")
    answered(worker, times=2)
    books = worker.pool.books
    worker.pool.books = replace(books, engine=open_database("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    assert worker.run(check_recoveries(worker.pool)) == 0
    worker.pool.books = books
    assert worker.run(check_recoveries(worker.pool)) == 1
