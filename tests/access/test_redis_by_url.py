"""The whole pool on a Redis with a password, by TLS and over a Unix socket; and the password is nowhere to be read."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
import redis
from redbeat.schedulers import get_redis
from redis_servers import make_certificates, program_with_tls, running_server
from whole_system import WITHIN_S, Running, until, whole_system

from pool_client import Pool, PoolUnavailableError
from pool_client.redis_connection import connect
from pool_worker import redis_keys
from pool_worker.app import PoolApp
from pool_worker.broker.sequel import _chord_counter
from pool_worker.embedded_redis import free_port
from pool_worker.settings import Settings

PASSWORD = "open-sesame-4711"  # noqa: S105 - of a Redis that ends with the tests
TLS_HANDSHAKE = b"\x16\x03"


@pytest.fixture
def tls_url(tmp_path: Path) -> Iterator[str]:
    program, made, port = program_with_tls(), make_certificates(tmp_path), free_port()
    url = f"rediss://:{PASSWORD}@127.0.0.1:{port}/0?ssl_ca_certs={made.authority}"
    arguments = ("--port", "0", "--tls-port", str(port), "--requirepass", PASSWORD, *made.arguments)
    with running_server(url, *arguments, folder=tmp_path, program=program):
        yield url


@pytest.fixture
def socket_url(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "Redis.sock"
    arguments = ("--port", "0", "--unixsocket", path, "--requirepass", PASSWORD)
    with running_server(f"unix://:{PASSWORD}@{path}?db=1", *arguments, folder=tmp_path) as url:
        yield url


def works(running: Running) -> None:
    """All that connects to Redis has done so: client, worker, beat, remote control, and Celery's counter of chords."""
    job = running.pool.submit("Why did the nightly backup fail?", stream=True)
    assert "".join(job) == job.result(timeout=WITHIN_S).content
    until(lambda: running.redis.exists(redis_keys.BEAT_LOCK))
    assert get_redis(running.app).ping()
    assert _chord_counter(running.app).client.ping()
    waiting = running.pool.submit("x", model="nobody-has-it", tier="local")
    running.app.control.revoke(waiting.id, reply=True, timeout=5)


def test_over_tls(tls_url: str, tmp_path: Path, repository: Path) -> None:
    with whole_system(tls_url, tmp_path / "home", repository) as running:
        works(running)
        assert queues_in_flower(running.environment) >= {"free", "free.groq", "maintenance"}
        assert [where for where, text in running.shown().items() if PASSWORD in text] == []


def test_over_a_unix_socket(socket_url: str, tmp_path: Path, repository: Path) -> None:
    with whole_system(socket_url, tmp_path / "home", repository) as running:
        works(running)
        assert [where for where, text in running.shown().items() if PASSWORD in text] == []


def queues_in_flower(environment: dict[str, str]) -> set[str]:
    """The queues whose lengths Flower's own connection has read."""
    port = free_port()
    command = [sys.executable, "-m", "pool_worker.cli.main", "flower", "--port", str(port)]
    with (
        subprocess.Popen(command, env={**environment, "FLOWER_UNAUTHENTICATED_API": "1"}) as flower,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client,
    ):
        try:
            until(lambda: _answers(client))
            return {queue["name"] for queue in client.get("/api/queues/length").raise_for_status().json()["active_queues"]}
        finally:
            flower.kill()


def _answers(flower: httpx2.Client) -> bool:
    try:
        return flower.get("/healthcheck").is_success
    except httpx2.TransportError:
        return False


def test_a_server_that_cannot_prove_who_it_is_gets_no_password(tls_url: str) -> None:
    stranger = tls_url.partition("?")[0]
    with Pool(redis_url=stranger) as pool, pytest.raises(PoolUnavailableError, match="certificate verify failed"):
        pool.submit("x")
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        PoolApp(Settings(redis_url=stranger)).connection().connect()


@contextmanager
def eavesdropper() -> Iterator[tuple[int, list[bytes]]]:
    """Its port, and what it was sent by each who connected; it never answers."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    with caller:
                        heard.append(caller.recv(4096))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], heard
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda app: connect(app.pool_settings.broker_url).ping(), id="clients"),
        pytest.param(lambda app: app.connection().connect(), id="kombu"),
        pytest.param(lambda app: _chord_counter(app).client.ping(), id="chords"),
        pytest.param(lambda app: get_redis(app).ping(), id="beat"),
    ],
)
def test_with_rediss_nothing_is_said_in_the_clear(ask: Callable[[PoolApp], object]) -> None:
    with eavesdropper() as (port, heard):
        app = PoolApp(Settings(redis_url=f"rediss://:{PASSWORD}@127.0.0.1:{port}/0"))
        with pytest.raises(redis.RedisError):
            ask(app)
    assert heard
    assert [text for text in heard if PASSWORD.encode() in text or not text.startswith(TLS_HANDSHAKE)] == []
