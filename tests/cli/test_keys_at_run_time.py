"""Keys and the master key are rotated, revoked and checked on a system that runs: no job fails, and all is on record."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from command_line import CommandLine, wait_until
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import select
from system_at_work import AtWork

from pool_client import AuthenticationError, JobHandle
from pool_worker import redis_keys
from pool_worker.ledger.database import open_database
from pool_worker.ledger.tables import api_keys, vault_seal
from pool_worker.limits.holds import key_scope
from pool_worker.settings import Settings
from pool_worker.vault import master_keys

NEW = "sim-cerebras-a-new-secret"
CEREBRAS, GROQ = "cerebras_gpt_oss_120b", "groq_gpt_oss_120b"
REFUSED = "sim-groq-REFUSED-0123456789"
TAKEN = "2 workers have taken it"


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AtWork]:
    cli = CommandLine.in_folder(tmp_path_factory.mktemp("keys-at-run-time"))
    with AtWork.running(cli, config_dir=Path(__file__).parents[2] / "configs", workers=2) as system:
        yield system


@contextmanager
def load(system: AtWork) -> Iterator[list[JobHandle]]:
    """Jobs come in all the time."""
    jobs: list[JobHandle] = []
    over = threading.Event()

    def submit() -> None:
        while not over.wait(0.05):
            jobs.append(system.pool.submit(f"line {len(jobs)}", max_tokens=10, cache=False))

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield jobs
    finally:
        over.set()
        thread.join()


def keys(system: AtWork, *arguments: str, text: str = "", code: int = 0) -> str:
    """What `model-pool keys …` says."""
    ended = system.cli.run("keys", *arguments, text=text)
    both = ended.stdout + ended.stderr
    assert ended.returncode == code, both
    assert NEW not in both
    return both


def on_record(system: AtWork, key_id: str, *, limit: int) -> list[dict[str, str]]:
    """Who did what with a key, the latest first."""
    found: list[dict[str, str]] = json.loads(system.cli.run("keys", "audit", key_id, "--limit", str(limit), "--json").stdout)
    return found


def tokens(system: AtWork) -> list[str]:
    """Everything that is encrypted in the vault."""
    engine = open_database(Settings(home=home(system)).ledger_url)
    with engine.connect() as connection:
        found = [
            *connection.execute(select(api_keys.c.encrypted_key)).scalars(),
            *connection.execute(select(vault_seal.c.sealed)).scalars(),
        ]
    engine.dispose()
    return [token.rpartition(":")[2] for token in found if token]


def home(system: AtWork) -> Path:
    (record,) = system.cli.home.glob("**/up.json")
    return record.parent


def serves(system: AtWork, key_id: str, *, model: str) -> bool:
    """Whether a job of this model is answered with this key."""
    answer = system.pool.submit("Why?", model=model, max_tokens=5, cache=False).result(timeout=30)
    return answer.attempts[-1].key_id == key_id


def everything_in_redis(client: redis.Redis) -> bytes:
    """Every name and value."""
    readers = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda name: client.lrange(name, 0, -1),
        "set": client.smembers,
        "zset": lambda name: client.zrange(name, 0, -1),
        "stream": client.xrange,
    }
    return repr([(name, readers[client.type(name)](name)) for name in client.scan_iter()]).encode()


def everything_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def everything_of_processes(pids: Sequence[int]) -> bytes:
    """What `ps` shows of them, and their environments."""
    files = (Path(f"/proc/{pid}/{name}") for pid in pids for name in ("cmdline", "environ"))
    return b"".join(path.read_bytes() for path in files)


def opens(master_key: str, token: str) -> bool:
    try:
        return bool(Fernet(master_key).decrypt(token))
    except InvalidToken:
        return False


def test_keys_and_the_master_key_are_rotated_under_load_and_no_job_fails(at_work: AtWork) -> None:
    (old,) = master_keys(Settings(home=home(at_work)))
    with load(at_work) as jobs:
        at_work.simulator.replace_secret("cerebras#1", NEW)  # the old one is refused from now on
        said = keys(at_work, "rotate", "cerebras", "1", text=NEW + "\n")
        assert f"cerebras#1 has a new secret (…{NEW[-4:]})" in said
        assert TAKEN in said
        assert "32 keys are encrypted with the master key" in keys(at_work, "rotate-master")
        assert TAKEN in keys(at_work, "revoke", "groq#1")
        wait_until(lambda: serves(at_work, "cerebras#1", model=CEREBRAS), what="cerebras#1 at work")
    results = [job.result(timeout=60) for job in jobs]
    assert len(results) == len(jobs)

    (new,) = master_keys(Settings(home=home(at_work)))
    assert new != old
    assert not any(opens(old, token) for token in tokens(at_work))
    assert all(opens(new, token) for token in tokens(at_work))
    assert not at_work.redis.exists(redis_keys.hold(key_scope("cerebras#1")))

    record = on_record(at_work, "cerebras#1", limit=500)
    assert [entry["action"] for entry in reversed(record) if entry["action"] != "read"] == ["added", "rotated", "renewed"]
    assert {entry["actor"].split("-")[0] for entry in record if entry["action"] == "read"} == {"worker worker"}
    assert [entry["action"] for entry in on_record(at_work, "groq#1", limit=1)] == ["revoked"]


def test_a_secret_is_found_nowhere_but_in_the_workers_memory(at_work: AtWork) -> None:
    """Fault 27: keys that serve, one that is refused, and the words with which a provider repeats it."""
    planted = "sim-groq-PLANTED-0123456789"
    for key_id, secret in (("groq#2", planted), ("groq#3", REFUSED)):
        at_work.simulator.replace_secret(key_id, secret)
        keys(at_work, "rotate", key_id, text=secret)
    repeats_it = {"error": {"message": f"Incorrect API key provided: {REFUSED}", "code": "invalid_api_key"}}
    at_work.simulator.fault("groq", "status", status=401, key="groq#3", body=repeats_it)
    at_work.simulator.fault("groq", "status", status=418, key="groq#2", body={"error": planted}, count=1)
    jobs = [at_work.pool.submit(f"line {n}", model=GROQ, max_tokens=5, cache=False) for n in range(20)]
    results = [job.result(timeout=60) for job in jobs]
    wait_until(lambda: serves(at_work, "groq#2", model=GROQ), what="groq#2 at work")
    said = [
        at_work.cli.run(*words.split()).stdout for words in ("keys list", "keys audit", "alerts list --all", "status", "usage")
    ]
    wait_until(lambda: not at_work.redis.xlen(redis_keys.OUTBOX), what="rows in the ledger")
    places = {
        "results": repr([result.model_dump() for result in results]).encode(),
        "Redis": everything_in_redis(at_work.redis),
        "disk": everything_on_disk(at_work.cli.home),
        "processes": everything_of_processes(at_work.pids),
        "logs": "\n".join(at_work.log).encode(),
        "command line": "\n".join(said).encode(),
    }
    assert all(places.values()), "everywhere there is something to search"
    assert [place for place, text in places.items() if planted.encode() in text or REFUSED.encode() in text] == []
    at_work.simulator.clear_faults()


def test_a_key_that_works_again_is_used_again_when_it_is_checked(at_work: AtWork) -> None:
    hold = redis_keys.hold(key_scope("mistral#1"))
    at_work.simulator.fault("mistral", "unauthorized")
    with pytest.raises(AuthenticationError):
        at_work.pool.submit("x", model="mistral_small", cache=False).result(timeout=30)
    assert at_work.redis.exists(hold)
    assert "mistral#1  is refused" in keys(at_work, "check", "mistral", code=1)
    assert at_work.redis.exists(hold)
    at_work.simulator.clear_faults()
    said = keys(at_work, "check", "mistral", "1")
    assert "used again, after having been refused: mistral#1" in said
    assert not at_work.redis.exists(hold)
