"""`doctor` asks each provider that has a key for its list of models, and says what came of it; no key is ever shown."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from command_line import CommandLine

from pool_worker.cli.doctor.finding import Finding, State
from pool_worker.cli.doctor.providers import KEYS_EACH, check_providers, trials_of
from pool_worker.config import EnvKey, load_registry
from pool_worker.ledger.database import open_database
from pool_worker.registry import Registry
from pool_worker.settings import Settings, shipped_config_dir
from pool_worker.simulator.server import RunningSimulator
from pool_worker.vault import Vault, master_keys

GROQ, MISTRAL = {"groq#1": "sim-groq-1"}, {"mistral#1": "sim-mistral-1"}


@pytest.fixture
def registry(simulator: RunningSimulator) -> Registry:
    return load_registry(shipped_config_dir(), environ={}, simulator_url=simulator.url)


@pytest.fixture
def asked(simulator: RunningSimulator) -> Iterator[RunningSimulator]:
    """The simulator; that it was asked for no completion is checked at the end."""
    yield simulator
    assert simulator.counts()["totals"]["requests"] == 0


def listings(simulator: RunningSimulator) -> dict[str, int]:
    return {name: count["listings"] for name, count in simulator.counts()["providers"].items() if count["listings"]}


def check(vault: dict[str, str], registry: Registry, *env_keys: EnvKey) -> list[Finding]:
    return list(check_providers(trials_of(vault, env_keys, registry)))


def test_who_answers_is_told_and_nobody_else_is_asked(registry: Registry, asked: RunningSimulator) -> None:
    found = check({**GROQ, "groq#2": "sim-groq-2", **MISTRAL}, registry)
    assert [(each.state, each.text) for each in found] == [
        (State.OK, "groq answers (groq#1, groq#2)"),
        (State.OK, "mistral answers (mistral#1)"),
    ]
    assert listings(asked) == {"groq": 2, "mistral": 1}


def test_without_keys_nobody_is_asked(registry: Registry, asked: RunningSimulator) -> None:
    assert check({}, registry) == []
    assert listings(asked) == {}


def test_a_refused_key_is_a_failure_with_how_to_replace_it(registry: Registry, asked: RunningSimulator) -> None:
    found = check({**GROQ, "groq#2": "gsk_s3crets3crets3crets3cret"}, registry)
    assert [each.state for each in found] == [State.OK, State.FAILURE]
    assert found[1].text.startswith("groq#2 is refused: groq answered 401: ")
    assert "keys rotate groq#2 with a good one, or " in found[1].mend
    assert found[1].mend.endswith("keys revoke groq#2")
    assert "s3cret" not in str(found)
    assert "s3cret" not in repr(trials_of({"groq#2": "gsk_s3crets3cret"}, (), registry))


def test_who_cannot_be_reached_is_down_and_if_nobody_can_it_is_this_machine(
    registry: Registry, asked: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:s3cret@proxy.example")
    nobody_there = replace(registry.providers["groq"], base_url="http://127.0.0.1:1/v1")
    registry = replace(registry, providers={**registry.providers, "groq": nobody_there})
    (groq, mistral) = check({**GROQ, **MISTRAL}, registry)
    assert (groq.state, mistral.state) == (State.FAILURE, State.OK)
    assert groq.text.startswith("groq is down: not connected: ")
    assert groq.mend.startswith("it may be back soon")

    (groq,) = check(GROQ, registry)
    assert groq.mend == (
        "see whether this machine is online, and what its firewall lets out; "
        "HTTPS_PROXY is not used, providers are called directly"
    )


def test_a_provider_that_says_503_is_down(registry: Registry, asked: RunningSimulator) -> None:
    asked.fault("groq", "down")
    (groq,) = check(GROQ, registry)
    assert (groq.state, groq.text) == (State.FAILURE, "groq is down: groq answered 503: Service Unavailable")


def test_who_never_answers_is_given_up_soon(registry: Registry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody_accepts:
        row = replace(registry.providers["groq"], base_url=f"http://127.0.0.1:{nobody_accepts.getsockname()[1]}")
        trials = trials_of(GROQ, (), replace(registry, providers={"groq": row}))
        (groq,) = check_providers(trials, within_s=0.2)
    assert groq.text == "groq is down: no answer within 0.2 s"


def test_a_key_in_both_places_is_tried_once_and_only_so_many_of_one_provider(registry: Registry) -> None:
    both = trials_of(GROQ, [EnvKey("groq", 1, "sim-groq-1"), EnvKey("groq", 0, "other")], registry)
    assert [trial.key for trial in both] == ["groq#1", "groq of .env"]
    many = {f"groq#{number}": f"sim-groq-{number}" for number in range(1, 40)}
    assert len(trials_of(many, (), registry)) == KEYS_EACH


def test_keys_of_disabled_unknown_and_keyless_providers_are_not_tried(registry: Registry) -> None:
    vault = {f"{name}#1": "x" for name in ("github", "nobody", "ollama")}
    assert trials_of(vault, (), registry) == []


def test_real_keys_of_env_are_not_sent_to_a_rehearsals_simulator(cli: CommandLine, simulator: RunningSimulator) -> None:
    (cli.folder / ".env").write_text("GROQ_API_KEY_1=sim-groq-1\n")
    variables = {"MODEL_POOL_SIMULATOR_URL": simulator.url, "MODEL_POOL_PROFILE": "thirty-two-keys"}
    assert "answers" not in cli.run("doctor", variables=variables).stdout
    assert listings(simulator) == {}


def test_the_reading_of_the_keys_is_recorded_as_the_doctors(cli: CommandLine, simulator: RunningSimulator) -> None:
    cli.environment["MODEL_POOL_SIMULATOR_URL"] = simulator.url
    assert cli.run("keys", "add", "groq", text="sim-groq-1").returncode == 0
    told = cli.run("doctor").stdout
    assert "✓ providers       groq answers (groq#1)" in told
    assert "sim-groq-1" not in told
    engine = open_database(Settings(home=cli.home).ledger_url)
    (last, *_) = Vault(engine, master_keys(Settings(home=cli.home))).audit()
    engine.dispose()
    assert (last.actor, last.action, last.key_id) == ("doctor", "read", "groq#1")
