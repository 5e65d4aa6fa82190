"""Opening and migrating the ledger's database."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, select, text

from pool_client.errors import ConfigurationError
from pool_worker.ledger import schema
from pool_worker.ledger.database import open_database, writing
from pool_worker.ledger.schema import migrate, schema_revisions
from pool_worker.ledger.tables import daily_usage_summary, metadata

MIGRATE = """
import sys
from pool_worker.ledger.database import open_database
from pool_worker.ledger.schema import migrate, schema_revisions
engine = open_database(sys.argv[1])
migrate(engine)
print(schema_revisions(engine))
engine.dispose()
"""


@pytest.fixture
def migrated(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


def test_the_migrations_build_exactly_the_tables_of_the_code(migrated: Engine) -> None:
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    before = schema_revisions(engine)
    migrate(engine)
    assert schema_revisions(engine) == before
    assert before[0] == before[1]


def test_what_an_older_release_summed_up_stays(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        connection.execute(text("INSERT INTO daily_usage_summary VALUES ('2026-11-20', 'm', 4, 16, 0, 0.5, 20.0)"))
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        (summary,) = connection.execute(select(daily_usage_summary))
    assert (summary.total_requests, summary.avg_response_time_ms, summary.p95_response_time_ms) == (4, 20.0, None)


def test_a_database_that_was_never_migrated_has_no_revision(database_url: str) -> None:
    engine = open_database(database_url)
    present, needed = schema_revisions(engine)
    engine.dispose()
    assert present is None
    assert needed


def test_processes_that_start_together_migrate_one_after_the_other(database_url: str) -> None:
    command = [sys.executable, "-W", "error", "-c", MIGRATE, database_url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [process.communicate() for process in processes]
    assert {error for _, error in answers} == {""}
    assert len({out for out, _ in answers}) == 1
    assert "None" not in answers[0][0]


def test_a_schema_of_a_newer_release_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer release"):
        migrate(engine)
    assert inspect(engine).has_table("usage_logs")


def test_a_sqlite_file_is_readable_by_its_owner_only_and_in_wal_mode(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/home/ledger.db")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 1
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 30_000
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()
    assert stat.S_IMODE((tmp_path / "home/ledger.db").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["ledger.db"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "no database URL"),
        ("mysql://root:hush@host/db", "neither sqlite"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_a_url_that_the_ledger_cannot_use_is_refused_without_its_password(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        open_database(url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_postgresql_urls_use_psycopg(scheme: str) -> None:
    engine = open_database(f"{scheme}://user@127.0.0.1/name")
    assert engine.url.drivername == "postgresql+psycopg"


def test_the_migrations_are_part_of_the_wheel(tmp_path: Path, repository: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=repository, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    script = f"import sys; sys.path.insert(0, sys.argv[2]){MIGRATE}import pool_worker; print(pool_worker.__file__)"
    answer = subprocess.run(
        [sys.executable, "-c", script, f"sqlite:///{tmp_path}/ledger.db", str(tmp_path / "site")],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
    )
    assert str(tmp_path / "site") in answer.stdout
