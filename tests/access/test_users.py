"""`configs/redis/users.acl` on real servers: each user can do its work, and nothing of what a broken-into machine would try."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from redis_servers import NO_TLS, missing, running_server
from typer.testing import CliRunner
from whole_system import WITHIN_S, until, whole_system

from pool_client import JobCancelledError, Pool, Tier, redis_keys
from pool_client.queues import list_name, list_names
from pool_client.redis_connection import connect
from pool_worker import redis_keys as worker_keys
from pool_worker.cli.main import app as command_line
from pool_worker.embedded_redis import free_port

USERS = ("operator", "worker", "client", "monitor")
PLACEHOLDER = "#SHA256_OF_THE_{}S_PASSWORD"


@dataclass(frozen=True)
class Server:
    """A Redis with the users of the shipped file."""

    port: int

    def url(self, user: str) -> str:
        return f"redis://{user}:{user}-password@127.0.0.1:{self.port}/0"

    def denied(self) -> list[str]:
        """What the server has refused, in its own words."""
        with connect(self.url("operator")) as operator:
            return [f"{it['username']}: {it['reason']} {it['object']} ({it['context']})" for it in operator.acl_log()]


@pytest.fixture(params=["redis-server" if shutil.which("redis-server") else "embedded"])
def server(request: pytest.FixtureRequest, tmp_path: Path, repository: Path) -> Iterator[Server]:
    program = None if request.param == "embedded" else shutil.which(request.param) or missing(NO_TLS)
    text = (repository / "configs" / "redis" / "users.acl").read_text(encoding="utf-8")
    for user in USERS:
        digest = hashlib.sha256(f"{user}-password".encode()).hexdigest()
        text = text.replace(PLACEHOLDER.format(user.upper()), f"#{digest}")
    users = tmp_path / "users.acl"
    users.write_text(text, encoding="utf-8")
    it = Server(free_port())
    with running_server(it.url("operator"), "--port", str(it.port), "--aclfile", users, folder=tmp_path, program=program):
        yield it


def test_all_of_it_works_and_nothing_is_refused(server: Server, tmp_path: Path, repository: Path) -> None:
    """Clients as `client`, the worker and beat as `worker`, `model-pool status` as `monitor`."""
    with (
        whole_system(server.url("worker"), tmp_path / "home", repository) as running,
        Pool(agent="log_analyzer", redis_url=server.url("client")) as pool,
    ):
        use_everything(pool)
        until(lambda: running.redis.exists(redis_keys.STATS))
        assert pool.get_all_stats().providers
        assert pool.get_health_status().providers
        for words in (["status"], ["capacity"], ["dead", "list"], ["models", "list"]):
            environment = {**running.environment, "MODEL_POOL_REDIS_URL": server.url("monitor")}
            shown = CliRunner().invoke(command_line, [*words, "--json"], env=environment)
            assert shown.exit_code == 0, server.denied()
        as_client = {**running.environment, "MODEL_POOL_REDIS_URL": server.url("client")}
        for words in (["submit", "Why?", "--json"], ["submit", "Why?", "--no-wait"]):
            shown = CliRunner().invoke(command_line, words, env=as_client)
            assert shown.exit_code == 0, (shown.output, server.denied())
    assert server.denied() == []


def use_everything(pool: Pool) -> None:
    """Every operation of a client."""
    assert pool.models()
    job = pool.submit("Why did this fail?", stream=True, idempotency_key="once", batch="night")
    assert "".join(job) == job.result(timeout=WITHIN_S).content
    assert pool.submit("Why did this fail?", idempotency_key="once").id == job.id
    for each in pool.submit_many(["x"] * 3, batch="night"):
        each.result(timeout=WITHIN_S)
    assert pool.progress("night").succeeded == 4
    assert job.status().state == "succeeded"
    for tier in Tier:
        for priority in ("low", "normal", "high", "critical"):
            pool.submit("x", tier=tier, priority=priority, idempotency_key=f"{tier}{priority}", batch="cancelled").cancel()
    assert job.cancel() == "succeeded"


def test_a_client_that_waits_learns_that_nobody_works(server: Server) -> None:
    environment = {"MODEL_POOL_REDIS_URL": server.url("client")}
    asked = CliRunner().invoke(command_line, ["submit", "Why?", "--timeout", "1.5"], env=environment)
    assert "queued in free; no worker is running; to start one: " in str(asked.exception)
    with connect(server.url("operator")) as operator:
        facts = '{"pid": 1, "since": "2026-01-01T00:00:00Z", "queues": ["paid"]}'
        operator.set(worker_keys.worker("w@h"), facts)
        operator.hset(worker_keys.WORKERS, "w@h", facts)
    asked = CliRunner().invoke(command_line, ["submit", "Why?", "--timeout", "1.5"], env=environment)
    assert "queued in free; no worker serves free; to start one: " in str(asked.exception)


def test_a_cancelled_job_has_its_outcome(server: Server) -> None:
    with Pool(redis_url=server.url("client")) as pool:
        job = pool.submit("x")
        assert job.cancel() == "cancelled"
        with pytest.raises(JobCancelledError):
            job.result(timeout=WITHIN_S)
        with connect(server.url("operator")) as operator:
            assert operator.pttl(redis_keys.result(job.id)) > 0
            assert operator.keys("pool:cancelled:*") == []


RESULT = redis_keys.result("of-another")
RECORD = redis_keys.job("of-another")
WAITING = list_names("free")

OF_A_CLIENT = {
    "list the redis keys": [["KEYS", "*"], ["SCAN", "0"], ["RANDOMKEY"], ["DBSIZE"]],
    "learn of others' jobs": [
        *([command, name, "0", "-1"] for command in ("LRANGE",) for name in WAITING),
        ["RPOP", "free"],
        ["BLMOVE", "free", "pool:bell:x", "LEFT", "LEFT", "1"],
        ["HGETALL", "pool:unacked"],
        ["HKEYS", "pool:unacked"],
        ["HGETALL", "pool:parked:messages"],
        ["ZRANGE", "pool:parked", "0", "-1"],
        ["ZREM", "pool:parked", "of-another"],
        ["XRANGE", "pool:outbox", "-", "+"],
        ["HGETALL", "pool:dead:x"],
        ["GET", "pool:cache:groq-small:x"],
        ["PSUBSCRIBE", "celery-task-meta-*"],
        ["PSUBSCRIBE", "*"],
        ["SUBSCRIBE", "/0.celeryev/worker.heartbeat"],
        ["MONITOR"],
        ["CLIENT", "LIST"],
        ["CLIENT", "TRACKING", "ON", "BCAST"],
        ["SLOWLOG", "GET"],
        ["ACL", "LOG"],
        ["SORT", "free", "BY", "nosort"],
        ["OBJECT", "ENCODING", RESULT],
        ["DUMP", RESULT],
    ],
    "change a result": [
        ["SET", RESULT, "mine"],
        ["SETRANGE", RESULT, "0", "mine"],
        ["APPEND", RESULT, "mine"],
        ["GETDEL", RESULT],
        ["DEL", RESULT],
        ["UNLINK", RESULT],
        ["PEXPIRE", RESULT, "1"],
        ["EXPIREAT", RESULT, "1"],
        ["RENAME", "pool:cancelled:x", RESULT],
        ["RENAMENX", RESULT, "pool:cancelled:x"],
        ["COPY", "pool:cancelled:x", RESULT, "REPLACE"],
        ["RESTORE", RESULT, "0", "x", "REPLACE"],
        ["XADD", redis_keys.text("of-another"), "*", "text", "mine"],
        ["DEL", RECORD],
    ],
    "change limits, money and leases": [
        ["DEL", "pool:window:groq:small:requests:minute:sliding:groq#1"],
        ["GET", "pool:budget:agent:log_analyzer:1"],
        ["SET", "pool:budget:agent:log_analyzer:1", "0"],
        ["HGETALL", "pool:lease:x"],
        ["ZREM", "pool:leases", "x"],
        ["DEL", "pool:hold:key:groq#1"],
        ["SET", "pool:hold:provider:groq", "9999999999999 x"],
        ["HGETALL", "pool:key:groq#1"],
        ["HSET", "pool:key:groq#1", "group", "mine"],
        ["SMEMBERS", "pool:enrolled:keys:groq"],
        ["ZADD", "pool:ready:groq:small:1", "0", "groq#1"],
        ["DEL", "pool:health:key:groq#1"],
        ["XADD", "pool:outbox", "*", "kind", "attempt"],
        ["SET", "pool:stats", "{}"],
        ["SET", "pool:models", "{}"],
        ["HSET", "pool:agents", "log_analyzer", "{}"],
    ],
    "give orders": [
        ["HSET", "pool:models:disabled", "groq-small", "x"],
        ["INCR", "pool:reloads"],
        ["HDEL", "pool:workers", "w@h"],
        ["SET", "pool:worker:x", "{}"],
        ["SET", "pool:alert:told:x", "1"],
        ["DEL", "pool:beat::lock"],
        ["PUBLISH", "/0.celery.pidbox", "{}"],
        ["PUBLISH", "pool:landings", "x"],
        ["LPUSH", "celery.pidbox", "{}"],
        ["SADD", "_kombu.binding.celery.pidbox", "x"],
        ["LPUSH", "maintenance", "{}"],
        ["LPUSH", "free.groq", "{}"],
        ["LPUSH", list_name("free.groq", 3), "{}"],
    ],
    "rule the server": [
        ["CONFIG", "GET", "*"],
        ["CONFIG", "SET", "dir", "."],
        ["ACL", "SETUSER", "client", "allcommands"],
        ["ACL", "LIST"],
        ["FLUSHALL"],
        ["FLUSHDB"],
        ["SWAPDB", "0", "1"],
        ["SHUTDOWN"],
        ["REPLICAOF", "127.0.0.1", "1"],
        ["SCRIPT", "FLUSH"],
        ["SCRIPT", "KILL"],
        ["FUNCTION", "LIST"],
        ["MODULE", "LIST"],
        ["CLIENT", "KILL", "TYPE", "normal"],
        ["CLIENT", "PAUSE", "1"],
        ["SAVE"],
        ["INFO"],
    ],
}


def tried(client: redis.Redis, command: list[str]) -> str:
    try:
        return f"did it: {client.execute_command(*command)!r}"
    except redis.exceptions.NoPermissionError:
        return "refused"


@pytest.mark.parametrize("aim", OF_A_CLIENT)
def test_who_has_a_clients_password_cannot(aim: str, server: Server) -> None:
    with connect(server.url("client")) as client:
        results = {" ".join(command): tried(client, command) for command in OF_A_CLIENT[aim]}
    assert {command: result for command, result in results.items() if result != "refused"} == {}


@pytest.mark.parametrize("aim", OF_A_CLIENT)
def test_nor_by_a_script_of_its_own(aim: str, server: Server) -> None:
    any_command = (Path(__file__).parent / "any_command.lua").read_text(encoding="utf-8")
    not_in_scripts = {"MONITOR", "PSUBSCRIBE", "SUBSCRIBE", "SHUTDOWN", "SAVE", "SCRIPT", "FUNCTION", "CONFIG", "ACL", "CLIENT"}
    with connect(server.url("client")) as client:
        results = {}
        for command in OF_A_CLIENT[aim]:
            if command[0] not in not_in_scripts:
                with pytest.raises(redis.ResponseError) as refusal:
                    client.eval(any_command, 0, *command)
                results[" ".join(command)] = str(refusal.value)
    refused = ("permission", "can't run", "can't access", "can't publish", "not allowed from script")
    assert {command: told for command, told in results.items() if not any(words in told for words in refused)} == {}


def test_a_monitor_writes_nothing(server: Server) -> None:
    writing = [
        ["SET", "pool:x", "1"],
        ["DEL", "pool:leases"],
        ["HSET", "pool:models:disabled", "x", "y"],
        ["LPUSH", "free", "x"],
        ["EXPIRE", "pool:leases", "1"],
        ["PUBLISH", "pool:cancel", "x"],
        ["GETDEL", "pool:leases"],
        ["CONFIG", "SET", "dir", "."],
        ["FLUSHALL"],
    ]
    reading = [["HGETALL", RECORD], ["GET", RESULT], ["XRANGE", redis_keys.text("x"), "-", "+"], ["GET", "pool:cache:m:q"]]
    with connect(server.url("monitor")) as monitor:
        results = {" ".join(command): tried(monitor, command) for command in (*writing, *reading)}
    assert {command: result for command, result in results.items() if result != "refused"} == {}


def test_a_worker_is_no_operator(server: Server) -> None:
    ruling = [["CONFIG", "SET", "dir", "."], ["ACL", "LIST"], ["FLUSHALL"], ["SHUTDOWN"], ["REPLICAOF", "x", "1"], ["KEYS", "*"]]
    with connect(server.url("worker")) as worker:
        assert {tried(worker, command) for command in ruling} == {"refused"}


def test_nobody_comes_in_without_a_password(server: Server) -> None:
    with connect(f"redis://127.0.0.1:{server.port}/0") as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_the_file_is_refused_as_long_as_a_password_is_missing(tmp_path: Path, repository: Path) -> None:
    shipped = repository / "configs" / "redis" / "users.acl"
    port = free_port()
    with (
        pytest.raises(AssertionError, match="password hash must be exactly 64 characters"),
        running_server(f"redis://127.0.0.1:{port}/0", "--port", str(port), "--aclfile", shipped, folder=tmp_path),
    ):
        pass
