from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from command_line import CommandLine, Up

from pool_client.queues import CELERY_PRIORITY, MAINTENANCE_QUEUE, list_name
from pool_client.redis_connection import connect
from pool_worker import redis_keys
from pool_worker.cli.doctor.database import check_database, existing_database
from pool_worker.cli.doctor.finding import Finding, State
from pool_worker.cli.doctor.machine import check_home
from pool_worker.cli.doctor.redis_server import check_redis
from pool_worker.cli.doctor.work import check_work
from pool_worker.cli.terminal import as_typed
from pool_worker.config import load_registry
from pool_worker.embedded_redis import EmbeddedRedis, free_port
from pool_worker.ledger.database import open_database
from pool_worker.ledger.schema import migrate
from pool_worker.registry import Registry
from pool_worker.settings import shipped_config_dir
from pool_worker.simulator.server import RunningSimulator


@pytest.fixture
def registry() -> Registry:
    return load_registry(shipped_config_dir(), environ={})


def _by_check(cli: CommandLine, *arguments: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    ended = cli.run("doctor", "--json", *arguments)
    found: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(ended.stdout):
        found.setdefault(finding["check"], []).append(finding)
    return ended.returncode, found


def _states(findings: Iterator[Finding]) -> dict[str, State]:
    return {finding.check: finding.state for finding in findings}


def test_on_a_new_machine_it_warns_fails_nothing_and_makes_nothing(cli: CommandLine) -> None:
    code, found = _by_check(cli)
    assert code == 0 or {check for check, each in found.items() if each[0]["state"] == "failure"} == {"redis aof"}, found
    assert found["python"][0]["state"] == "ok"
    assert found["configuration"][0]["state"] == "ok"
    assert found["database"][0]["state"] == "warning"
    assert "keys add groq, or lines in .env" in found["keys"][0]["mend"]
    assert list(cli.folder.iterdir()) == []


def test_every_mistake_is_told_with_how_to_mend_it(cli: CommandLine) -> None:
    (cli.folder / "configs").mkdir()
    (cli.folder / "configs" / "models.yaml").write_text(
        "models:\n  free_tier:\n    - {id: a, provider: grok, model: m, rpm_limit: many}\n"
    )
    code, found = _by_check(cli)
    assert code == 1
    told = " ".join(each["text"] for each in found["configuration"])
    assert "grok" in told
    assert "many" in told
    assert all(each["state"] == "failure" and each["mend"] for each in found["configuration"])


def test_a_paid_model_of_unknown_price_is_warned_of_unless_it_is_refused(cli: CommandLine) -> None:
    (cli.folder / "configs").mkdir()
    models = "models:\n  paid_tier:\n    - {id: ours, provider: openai, model: gpt-of-our-own}\n"
    (cli.folder / "configs" / "models.yaml").write_text(models)
    _, found = _by_check(cli)
    (finding,) = found["prices"]
    assert finding["state"] == "warning"
    assert finding["text"] == "the price is not known of ours: what is called there is counted as 0 USD"
    assert "unknown_price: refuse" in finding["mend"]
    (cli.folder / "configs" / "models.yaml").write_text(models + "cost_management: {unknown_price: refuse}\n")
    assert "prices" not in _by_check(cli)[1]


def test_wrong_settings_are_told_one_by_one(cli: CommandLine) -> None:
    ended = cli.run(
        "doctor", variables={"MODEL_POOL_REDIS_URL": "http://x", "MODEL_POOL_DRAIN_S": "soon", "MODEL_POOL_HOEM": "/x"}
    )
    assert ended.returncode == 1
    assert ended.stdout.count("✗") == 2
    assert "did you mean MODEL_POOL_HOME" in ended.stdout
    assert "write seconds" in ended.stdout


def test_mistakes_and_placeholders_of_env_are_told(cli: CommandLine) -> None:
    (cli.folder / ".env").write_text("GROQ_API_KEY_1=gsk_0123456789abcdef\nGROQ_KEY_2_PRIORITY=1\n")
    code, found = _by_check(cli)
    assert code == 1
    assert "GROQ_API_KEY_2" in found[".env"][0]["mend"]


def test_an_unreachable_redis_is_a_failure(cli: CommandLine) -> None:
    code, found = _by_check(cli, "--redis", f"redis://:hidden@127.0.0.1:{free_port()}/0")
    assert code == 1
    assert "cannot be reached" in found["redis"][0]["text"]
    assert "hidden" not in str(found)


def test_a_redis_that_may_forget_is_told(redis_client: redis.Redis, redis_url: str) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    states = _states(check_redis(redis_client, redis_url))
    redis_client.config_set("maxmemory-policy", "noeviction")
    assert states == {"redis": State.OK, "redis aof": State.FAILURE, "redis eviction": State.FAILURE, "clock": State.OK}


def test_our_own_redis_is_as_it_should_be(tmp_path: Path) -> None:
    server = EmbeddedRedis.start(tmp_path, port=free_port())
    with connect(server.url) as client:
        states = _states(check_redis(client, server.url))
    server.stop()
    assert set(states.values()) == {State.OK}


def test_who_works_and_what_waits(redis_client: redis.Redis, registry: Registry) -> None:
    assert _states(check_work(redis_client, registry)) == {"workers": State.WARNING, "beat": State.WARNING, "queues": State.OK}
    redis_client.set(redis_keys.worker("one@here"), json.dumps({"pid": 1, "queues": ["free"], "since": ""}))
    redis_client.lpush(list_name("paid", max(CELERY_PRIORITY.values())), "job", "job")
    redis_client.rpush(MAINTENANCE_QUEUE, *["tick"] * 1001)
    found = list(check_work(redis_client, registry))
    assert [finding.text for finding in found if finding.check == "workers"] == ["one@here"]
    assert {finding.text for finding in found if finding.state is State.FAILURE} == {
        "not running: the ledger is not written, and nobody is warned",
        "2 jobs wait in paid, which no worker serves",
        "1001 of beat's tasks wait in maintenance",
    }
    assert _states(check_work(redis_client, registry, beat_starts=True))["beat"] is State.OK
    redis_client.set(redis_keys.BEAT_LOCK, "held")
    assert _states(check_work(redis_client, registry))["beat"] is State.OK


def test_a_database_is_there_migrated_and_writable(database_url: str) -> None:
    open_database(database_url).dispose()
    with existing_database(database_url) as engine:
        found = list(check_database(engine, database_url))
        assert [(finding.state, finding.mend) for finding in found] == [(State.FAILURE, as_typed("database migrate"))]
        assert engine is not None
        migrate(engine)
        assert [finding.state for finding in check_database(engine, database_url)] == [State.OK]


def test_a_vault_without_its_master_key_is_a_failure(cli: CommandLine, simulator: RunningSimulator) -> None:
    cli.environment["MODEL_POOL_SIMULATOR_URL"] = simulator.url  # nothing leaves this machine
    assert cli.run("keys", "add", "groq", text="sim-groq-1").returncode == 0
    assert _by_check(cli)[1]["master key"][0]["state"] == "ok"
    (cli.home / "master.key").unlink()
    code, found = _by_check(cli)
    assert code == 1
    assert "is not there" in found["master key"][0]["text"]
    assert "providers" not in found
    assert not (cli.home / "master.key").exists()


def test_a_master_key_that_is_none_is_told_before_there_is_a_vault(cli: CommandLine) -> None:
    cli.environment["ENCRYPTION_KEY"] = "abc"
    code, found = _by_check(cli)
    assert code == 1
    assert found["master key"][0]["text"].startswith("ENCRYPTION_KEY: entry 1 is no Fernet key")
    assert found["master key"][0]["mend"].startswith("make one with python -c")


def test_keys_in_env_count_before_they_are_in_the_vault(cli: CommandLine, simulator: RunningSimulator) -> None:
    cli.environment["MODEL_POOL_SIMULATOR_URL"] = simulator.url
    (cli.folder / ".env").write_text(
        "GROQ_API_KEY_1=sim-groq-1\nMODEL_POOL_HOEM=/x\nGROQ_APIKEY_2=sim-groq-2\nSTRIPE_API_KEY=x\n"
    )
    code, found = _by_check(cli)
    assert code == 0
    assert [(each["state"], each["text"], each["mend"]) for each in found[".env"][:2]] == [
        ("warning", ".env:2: MODEL_POOL_HOEM: is not read by anything", "did you mean MODEL_POOL_HOME?"),
        ("warning", ".env:3: GROQ_APIKEY_2: is not read by anything", "did you mean GROQ_API_KEY_2?"),
    ]
    assert found[".env"][2]["text"].startswith("1 key; ")
    assert found["keys"][0]["text"] == "none in the vault yet, those of .env come there"
    assert "groq" not in found["keys"][1]["text"]
    assert [each["text"] for each in found["providers"]] == ["groq answers (groq#1 of .env)"]
    assert not cli.home.exists()


def test_keys_import_tells_misspelt_names(cli: CommandLine, simulator: RunningSimulator) -> None:
    cli.environment["MODEL_POOL_SIMULATOR_URL"] = simulator.url
    (cli.folder / ".env").write_text("GROQ_API_KEY_1=sim-groq-1\nMODEL_POOL_HOEM=/x\n")
    words = ".env:2: MODEL_POOL_HOEM: is not read by anything; did you mean MODEL_POOL_HOME?"
    assert words in cli.run("keys", "import").stderr


def test_up_tells_misspelt_names(cli: CommandLine, start_up: Callable[..., Up], simulator: RunningSimulator) -> None:
    cli.environment["MODEL_POOL_SIMULATOR_URL"] = simulator.url
    (cli.folder / ".env").write_text("GROQ_API_KEY_1=sim-groq-1\nGROQ_APIKEY_2=x\n")
    up = start_up(simulate=False)
    assert any(".env:2: GROQ_APIKEY_2: is not read by anything; did you mean GROQ_API_KEY_2?" in line for line in up.output)
    assert up.end(signal.SIGINT) == 0


def test_a_home_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert [finding.state for finding in check_home(tmp_path / "file" / "home")] == [State.FAILURE]
    assert [finding.state for finding in check_home(tmp_path / "new")] != [State.FAILURE]
