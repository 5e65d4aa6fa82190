"""PostgreSQL by a URL with a password and TLS; the password is nowhere to be read."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from pool_worker.cli.doctor.database import check_database
from pool_worker.ledger.database import open_database
from pool_worker.settings import Settings

PASSWORD = "open-sesame-4711"  # noqa: S105 - planted, to be looked for


def with_password(url: str, **options: str) -> str:
    """As a person writes it, in the short form."""
    full = make_url(url).set(drivername="postgresql", password=PASSWORD).update_query_dict(options)
    return full.render_as_string(hide_password=False)


def test_a_password_in_the_url_is_taken_and_shown_nowhere(postgres_url: str) -> None:
    settings = Settings(database_url=with_password(postgres_url))
    engine = open_database(settings.ledger_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    shown = [repr(settings), repr(engine), repr(engine.url), *map(str, check_database(engine, settings.ledger_url))]
    assert [text for text in shown if PASSWORD in text] == []
    engine.dispose()


def test_with_sslmode_require_nothing_is_said_to_a_server_without_tls(postgres_url: str) -> None:
    settings = Settings(database_url=with_password(postgres_url, sslmode="require", host="127.0.0.1"))
    engine = open_database(settings.ledger_url)
    assert dict(engine.url.query)["sslmode"] == "require"
    with pytest.raises(OperationalError) as refusal:
        engine.connect()
    shown = [str(refusal.value), *map(str, check_database(engine, settings.ledger_url))]
    assert [text for text in shown if PASSWORD in text] == []
    engine.dispose()
