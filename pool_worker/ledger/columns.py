"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, Date, DateTime, Dialect, Integer, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

USD_PLACES = 12
MAX_USD = Decimal(1_000_000)

Json = JSON().with_variant(JSONB(), "postgresql")
Id = BigInteger().with_variant(Integer(), "sqlite")


class Usd(TypeDecorator[Decimal]):
    """US dollars, exact to 10⁻¹², whatever is summed: NUMERIC on PostgreSQL, an INTEGER of 10⁻¹² USD on SQLite.

    Twelve places, because prices are quoted per million tokens with up to six decimals and one token must cost exactly its price.
    SQLite knows no decimals: text would be summed as floating point, integers are summed exactly (up to 9.2 million USD, above
    which SQLite raises an error and never rounds). Whoever reads SQLite without SQLAlchemy divides by 10¹².
    """

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """BIGINT for SQLite, NUMERIC(24, 12) for every other."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(24, USD_PLACES))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Round half to even at the twelfth place.

        Raises:
            ValueError: for an amount that is not finite or exceeds `MAX_USD`.
        """
        if value is None:
            return None
        amount = Decimal(value)
        if not amount.is_finite() or abs(amount) > MAX_USD:
            msg = f"{value} is no amount in USD that the ledger takes: a finite number of at most {MAX_USD}"
            raise ValueError(msg)
        exact = amount.quantize(Decimal(1).scaleb(-USD_PLACES), ROUND_HALF_EVEN)
        return int(exact.scaleb(USD_PLACES)) if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Dollars again."""
        if value is None:
            return None
        return Decimal(value).scaleb(-USD_PLACES) if dialect.name == "sqlite" else Decimal(value)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware on both sides, UTC within, microseconds. TIMESTAMPTZ on PostgreSQL, naive UTC text on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """With time zone where the database has it."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """In UTC.

        Raises:
            ValueError: for a naive time.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value!r} has no time zone: the ledger takes aware times only"
            raise ValueError(msg)
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class utc_day(FunctionElement[date]):  # noqa: N801 - reads as the SQL function that it is
    """The UTC calendar day of an instant."""

    name = "utc_day"
    inherit_cache = True
    type = Date()


@compiles(utc_day, "sqlite")
def _utc_day_on_sqlite(element: utc_day, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"date({compiler.process(element.clauses, **kwargs)})"


@compiles(utc_day)
def _utc_day(element: utc_day, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"CAST(timezone('UTC', {compiler.process(element.clauses, **kwargs)}) AS DATE)"
