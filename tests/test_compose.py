"""`docker-compose.yml`, as far as it can be told without an engine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker import redis_keys
from pool_worker.cli.parts import chosen_queues
from pool_worker.config import load_registry
from pool_worker.settings import Settings

Service = dict[str, Any]
ONCE = {"setup"}
WORKERS = {"worker-free", "worker-paid", "worker-premium"}


@pytest.fixture
def services(repository: Path) -> dict[str, Service]:
    services: dict[str, Service] = yaml.safe_load((repository / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    return services


def test_all_parts_are_there(services: dict[str, Service]) -> None:
    assert set(services) == {"redis", "postgres", "beat", "flower"} | WORKERS | ONCE


def test_every_lasting_service_is_watched_and_comes_back(services: dict[str, Service]) -> None:
    for name in set(services) - ONCE:
        assert services[name]["restart"] == "unless-stopped", name
        assert {"test", "interval", "timeout", "retries", "start_period"} <= set(services[name]["healthcheck"]), name


def test_a_service_starts_when_what_it_needs_is_ready(services: dict[str, Service]) -> None:
    ready = {name: "service_completed_successfully" if name in ONCE else "service_healthy" for name in services}
    for name, service in services.items():
        needs = {needed: how["condition"] for needed, how in service.get("depends_on", {}).items()}
        assert needs == {needed: ready[needed] for needed in needs}, name


def test_it_holds_no_secret(services: dict[str, Service]) -> None:
    variables = [item for service in services.values() for item in service.get("environment", {}).items()]
    secrets = {name: value for name, value in variables if name.endswith(("PASSWORD", "_KEY", "TOKEN", "SECRET"))}
    assert {"POSTGRES_PASSWORD", "PGPASSWORD", "ENCRYPTION_KEY"} <= set(secrets)
    assert {
        name: value for name, value in secrets.items() if not value.startswith("${" + name.replace("PGP", "POSTGRES_P") + ":")
    } == {}


def test_no_port_is_open_to_other_machines(services: dict[str, Service]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_a_worker_has_the_time_to_drain(services: dict[str, Service]) -> None:
    for name in WORKERS:
        grace_s = int(services[name]["stop_grace_period"].removesuffix("s"))
        assert grace_s > services[name]["environment"]["MODEL_POOL_DRAIN_S"] + 10


def test_every_variable_of_ours_is_a_setting(services: dict[str, Service]) -> None:
    names = {name for service in services.values() for name in service.get("environment", {}) if name.startswith("MODEL_POOL_")}
    assert names <= {"MODEL_POOL_" + field.upper() for field in Settings.model_fields}


def test_every_queue_is_served(services: dict[str, Service], repository: Path) -> None:
    there = (*load_registry(repository / "configs").queues(), MAINTENANCE_QUEUE)
    commands = [services[name]["command"] for name in WORKERS]
    served = {queue for command in commands for queue in chosen_queues(command[command.index("--queues") + 1], there)}
    assert served == set(there)


@pytest.mark.parametrize("part", ["beat", "worker-free"])
def test_healthy_is_who_told_redis(part: str, services: dict[str, Service], redis_client: redis.Redis, redis_url: str) -> None:
    _, _, *check = services[part]["healthcheck"]["test"]

    def exit_code() -> int:
        environment = {**os.environ, "MODEL_POOL_REDIS_URL": redis_url}
        return subprocess.run([sys.executable, *check], env=environment, check=False, timeout=20).returncode

    assert exit_code() == 1
    redis_client.set(redis_keys.BEAT_LOCK if part == "beat" else redis_keys.worker(f"{part}@{socket.gethostname()}"), "{}")
    assert exit_code() == 0
