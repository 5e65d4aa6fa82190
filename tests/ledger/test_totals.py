"""What each key was used for in a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from attempts import attempt_at
from sqlalchemy import Engine

from pool_client import DayStats
from pool_client.job import Step
from pool_worker.ledger.rows import AttemptRow
from pool_worker.ledger.totals import totals_by_key

DAY = date(2026, 11, 20)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)


def attempt(number: int, key_id: str | None, outcome: str = "ok", *, at: datetime, cost: str = "0") -> AttemptRow:
    return attempt_at(at, number, outcome, key_id=key_id, cost=Decimal(cost))


def test_calls_of_the_day_are_summed_per_key(engine: Engine, book: Callable[[Iterable[AttemptRow]], None]) -> None:
    book(
        [
            attempt(1, "groq#1", at=MIDNIGHT, cost="7.5"),
            attempt(2, "groq#1", "ProviderFailedError", at=MIDNIGHT + timedelta(hours=23, minutes=59), cost="2.5"),
            attempt(3, "groq#2", at=MIDNIGHT),
            attempt(4, "groq#1", at=MIDNIGHT - timedelta(seconds=1)),
            attempt(5, "groq#1", at=MIDNIGHT + timedelta(days=1)),
            attempt(6, "groq#1", Step.MOVED.value, at=MIDNIGHT),
            attempt(7, None, at=MIDNIGHT),
        ]
    )
    totals = totals_by_key(engine, DAY)
    assert totals == {
        "groq#1": DayStats(calls=2, successes=1, input_tokens=6, output_tokens=2, cost_usd=Decimal(10)),
        "groq#2": DayStats(calls=1, successes=1, input_tokens=3, output_tokens=1),
    }
    assert [it.model_dump(mode="json")["cost_usd"] for it in totals.values()] == ["10", "0"]


def test_a_day_without_calls_has_no_totals(engine: Engine) -> None:
    assert totals_by_key(engine, DAY) == {}
