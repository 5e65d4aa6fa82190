"""Money and times come back from both databases as they went in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, func, select
from sqlalchemy.exc import StatementError

from pool_worker.ledger.columns import Usd, UtcDateTime
from pool_worker.ledger.database import writing

table = Table("purse", MetaData(), Column("id", Integer, primary_key=True), Column("usd", Usd), Column("at", UtcDateTime))


@pytest.fixture
def purse(engine: Engine) -> Iterator[Engine]:
    table.create(engine)
    return engine


def put(engine: Engine, **values: object) -> None:
    with writing(engine) as connection:
        connection.execute(table.insert(), values)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("0", "0"),
        ("0.000000000001", "0.000000000001"),
        ("999999.999999999999", "999999.999999999999"),
        ("-0.5", "-0.5"),
        ("0.0000000000005", "0"),
        ("0.0000000000015", "0.000000000002"),
    ],
)
def test_money_is_exact_to_twelve_places(purse: Engine, given: str, stored: str) -> None:
    put(purse, usd=Decimal(given))
    with purse.connect() as connection:
        assert connection.execute(select(table.c.usd)).scalar() == Decimal(stored)
        assert connection.execute(select(func.sum(table.c.usd))).scalar() == Decimal(stored)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1000000.000001"])
def test_what_is_no_amount_is_refused(purse: Engine, amount: str) -> None:
    with pytest.raises(StatementError, match="no amount in USD"):
        put(purse, usd=Decimal(amount))


def test_a_time_is_an_instant_whatever_its_zone(purse: Engine) -> None:
    at = datetime(2026, 11, 20, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=-8)))
    put(purse, at=at)
    with purse.connect() as connection:
        found = connection.execute(select(table.c.at).where(table.c.at == at)).scalar()
    assert found == at
    assert found is not None
    assert found.tzinfo is UTC


def test_a_naive_time_is_refused(purse: Engine) -> None:
    with pytest.raises(StatementError, match="has no time zone"):
        put(purse, at=datetime(2026, 11, 20))  # noqa: DTZ001 - what is refused
