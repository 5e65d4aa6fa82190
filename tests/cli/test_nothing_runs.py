"""The commands that show something, where there is nothing to be seen."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from command_line import CommandLine

from pool_worker.embedded_redis import free_port
from pool_worker.ledger.database import open_database, writing
from pool_worker.ledger.rows import JobRow
from pool_worker.ledger.tables import jobs
from pool_worker.settings import Settings


def somebody_listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(somebody_listens(6379), reason="a Redis runs where people look for one")
def test_it_is_said_how_to_start(cli: CommandLine) -> None:
    ended = cli.run("submit", "Hello")
    assert ended.returncode == 1
    assert "nothing is running here" in ended.stderr
    assert "model-pool up --simulate" in ended.stderr


@pytest.mark.parametrize("command", ["submit", "status", "capacity", "models"])
def test_a_redis_that_does_not_answer_is_named(cli: CommandLine, command: str) -> None:
    port = free_port()
    more = {"submit": ["Hello"], "models": ["disable", "groq_gpt_oss_120b"]}.get(command, [])
    ended = cli.run(command, *more, "--redis", f"redis://:secret@127.0.0.1:{port}/0")
    assert ended.returncode == 1
    assert f"redis://127.0.0.1:{port}/0 cannot be reached" in ended.stderr
    assert "Connection refused. Start it, or name another with --redis" in ended.stderr
    assert "secret" not in ended.stderr


def test_models_are_shown_with_the_reason_why_they_cannot_be_used(cli: CommandLine) -> None:
    shown = cli.run("models", "show", "groq_gpt_oss_120b")
    assert shown.returncode == 0
    assert "provider groq has no key" in shown.stdout
    assert not cli.home.exists()


@pytest.mark.parametrize("command", [("usage",), ("costs",), ("alerts", "list")])
def test_a_ledger_that_is_not_there_is_not_made(cli: CommandLine, command: tuple[str, ...]) -> None:
    ended = cli.run(*command)
    assert ended.returncode == 1
    assert f"there is no ledger yet at {cli.home / 'ledger.db'}" in ended.stderr
    assert not cli.home.exists()


def test_a_fresh_ledger_is_empty_and_says_so(cli: CommandLine) -> None:
    assert cli.run("database", "migrate").returncode == 0
    assert cli.run("usage", "--json").stdout.strip() == "[]"
    usage = cli.run("usage")
    assert (usage.returncode, usage.stdout) == (0, "")
    assert "no calls since" in usage.stderr
    told = cli.run("alerts", "list", "--open", "--redis", f"redis://127.0.0.1:{free_port()}/0").stderr
    assert told == "no open alert, but nothing runs here now that would notice anything\n"


@pytest.mark.parametrize("folder", [".", "simulate-thirty-two-keys"])
def test_a_job_of_a_stopped_pool_is_told_of_by_its_ledger(cli: CommandLine, folder: str) -> None:
    home = cli.home / folder
    assert cli.run("database", "migrate", "--home", str(home)).returncode == 0
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    facts = {"agent": "backup_recovery", "priority": "normal", "tier": "paid", "submitted_at": at, "finished_at": at}
    ended = JobRow(job_id="one", state="succeeded", model_id="openai-small", cost=Decimal("0.0042"), **facts)
    engine = open_database(Settings(home=home).ledger_url)
    with writing(engine) as connection:
        connection.execute(jobs.insert(), ended.to_columns())
    engine.dispose()
    redis = f"redis://127.0.0.1:{free_port()}/0"
    text = " ".join(cli.run("job", "one", "--redis", redis).stdout.split())
    assert "job one succeeded" in text
    assert "model openai-small cost 0.0042 USD" in text
    assert f"source the ledger {(home / 'ledger.db').resolve()}; Redis at {redis} cannot be reached" in text
    known = json.loads(cli.run("job", "one", "--redis", redis, "--json").stdout)
    assert (known["source"], known["state"], known["cost_usd"]) == ("ledger", "succeeded", "0.0042")


def test_what_is_old_is_pruned(cli: CommandLine) -> None:
    assert "there is no ledger yet" in cli.run("ledger", "prune").stderr
    cli.run("database", "migrate")
    with sqlite3.connect(cli.home / "ledger.db") as ledger:
        event = ("e", "x", "t", "{}", "2020-01-01 00:00:00.000000")
        ledger.execute(
            "INSERT INTO agent_events (event_id, agent_id, event_type, event_data, created_at) VALUES (?, ?, ?, ?, ?)", event
        )
    ledger.close()
    would = cli.run("ledger", "prune", "--dry-run")
    assert re.search(r"events +1 +20\d\d-\d\d-\d\d +30 days", would.stdout)
    assert would.stderr == "nothing was deleted\n"
    nothing = {"attempts": 0, "jobs": 0, "alerts": 0, "metrics": 0}
    for rows in (1, 0):
        assert json.loads(cli.run("ledger", "prune", "--json").stdout) == {"dry_run": False, "rows": {**nothing, "events": rows}}


def test_a_real_demo_needs_keys(cli: CommandLine) -> None:
    ended = cli.run("demo", "--real")
    assert ended.returncode == 2
    assert "GROQ_API_KEY_1" in ended.stderr


@pytest.mark.parametrize("part", ["worker", "beat", "flower"])
def test_a_redis_url_that_celery_cannot_use_is_told_in_a_sentence(cli: CommandLine, part: str) -> None:
    url = "redis://localhost:1/0?socket_timeout=1&password=sesame"
    ended = cli.run(part, variables={"MODEL_POOL_REDIS_URL": url})
    assert ended.returncode == 2
    assert "workers cannot use options in the URL (socket_timeout, password)" in ended.stderr
    assert not any(bad in ended.stderr for bad in ("Traceback", "sesame"))
