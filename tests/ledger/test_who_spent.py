"""What the ledger says was spent, by those for whom there are budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from attempts import attempt_at
from sqlalchemy import Engine

from pool_worker.ledger.rows import AttemptRow
from pool_worker.ledger.spending import Spending, spending_by_whom, spent_of_batches

Book = Callable[[Iterable[AttemptRow]], None]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
A_DAY = timedelta(days=1)


def test_calls_since_a_time_by_agent_model_and_key(engine: Engine, book: Book) -> None:
    book(
        [
            attempt_at(NOON, 1, cost=Decimal(1), model_id="small", key_id="groq#1"),
            attempt_at(NOON + A_DAY, 2, cost=Decimal(2), model_id="small", key_id="groq#2"),
            attempt_at(NOON, 3, model_id="free", key_id="groq#3"),
            attempt_at(NOON - timedelta(seconds=1), 4, cost=Decimal(8), model_id="small", key_id="groq#1"),
        ]
    )
    assert spending_by_whom(engine, since=NOON) == Spending(
        Decimal(3), {"x": Decimal(3)}, {"small": Decimal(3)}, {"groq#1": Decimal(1), "groq#2": Decimal(2)}
    )


def test_all_that_a_batch_has_cost_if_it_was_at_work_of_late(engine: Engine, book: Book) -> None:
    book(
        [
            attempt_at(NOON - 40 * A_DAY, 1, batch="long", cost=Decimal(1)),
            attempt_at(NOON, 2, batch="long", cost=Decimal(2)),
            attempt_at(NOON - A_DAY, 3, batch="over", cost=Decimal(4)),
            attempt_at(NOON, 4, cost=Decimal(8)),
            attempt_at(NOON, 5, batch="free"),
        ]
    )
    assert spent_of_batches(engine, since=NOON) == {"long": Decimal(3)}
