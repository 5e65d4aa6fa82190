"""What was spent is read from the ledger when a budget does not count it, and at no other time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from small_worker import SmallWorker, open_small_worker
from sqlalchemy import Engine, event

from pool_worker import redis_keys
from pool_worker.ledger.writer import drain
from pool_worker.registry import Agent, Budget

BOUNDED = Agent(id="log_analyzer", daily_budget_usd=Decimal(9))


@contextmanager
def reads_of_calls(engine: Engine) -> Iterator[list[str]]:
    """The statements meanwhile that sum up calls: `day` or `batches`."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT") and "sum(usage_logs.cost)" in statement:
            seen.append("batches" if "GROUP BY usage_logs.batch" in statement else "day")

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_changes_that_make_no_budget_new_read_nothing(worker: SmallWorker) -> None:
    worker.configure(agents={BOUNDED.id: BOUNDED})
    worker.look_around()
    with reads_of_calls(worker.pool.books.engine) as reads:
        for changes in (
            {"budget": Budget(daily_usd=Decimal(77))},
            {"agents": {BOUNDED.id: replace(BOUNDED, daily_budget_usd=Decimal(3))}},
            {"keys": tuple(replace(key, priority=2) for key in worker.pool.registry.keys)},
            {"agents": {}},
        ):
            worker.configure(**changes)
            worker.look_around()
        worker.redis.incr(redis_keys.KEY_CHANGES)
        worker.look_around()
    assert reads == []


@pytest.mark.parametrize("what", ["agent", "one that was away for a while", "model", "key", "zone"])
def test_of_a_new_budget_only_the_day_is_read_once(worker: SmallWorker, what: str) -> None:
    registry = worker.pool.registry
    if what == "one that was away for a while":
        for agents in ({BOUNDED.id: BOUNDED}, {}):
            worker.configure(agents=agents)
            worker.look_around()
    model = replace(registry.models["openai-small"], daily_budget_usd=Decimal(1))
    changes: dict[str, dict[str, Any]] = {
        "model": {"models": {model.id: model}},
        "key": {"keys": tuple(replace(key, daily_budget_usd=Decimal(1)) for key in registry.keys_of("openai"))},
        "zone": {"budget": Budget(timezone="Asia/Kolkata")},
    }
    worker.configure(**changes.get(what, {"agents": {BOUNDED.id: BOUNDED}}))
    with reads_of_calls(worker.pool.books.engine) as reads:
        for _ in range(3):
            worker.look_around()
    assert reads == ["day"]


def test_batches_are_read_when_redis_was_emptied(worker: SmallWorker) -> None:
    with reads_of_calls(worker.pool.books.engine) as reads:
        worker.redis.flushall()
        for _ in range(2):
            worker.look_around()
    assert reads == ["day", "batches"]


def test_a_budget_that_is_new_as_the_worker_starts_counts_the_day_too(worker: SmallWorker) -> None:
    """Its configuration was changed while it did not run; Redis was there all the time."""
    worker.submit(model="openai-small", max_tokens=10)
    worker.complete()
    drain(worker.pool.books.redis, worker.pool.books.engine)
    settings = worker.pool.settings
    with open_small_worker(settings.home, redis_url=worker.redis_url, simulator=worker.simulator, agents=(BOUNDED,)) as other:
        other.look_around()
        assert other.pool.outlook.spent["agent:log_analyzer"] == worker.bill_usd() / 9
