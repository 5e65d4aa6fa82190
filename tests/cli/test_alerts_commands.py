"""`alerts ack`, `alerts test`, and what `doctor` says of those who are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from command_line import CommandLine
from receiver_fixture import Mailbox, Webhook

from pool_worker.alert_rules import Severity
from pool_worker.ledger import reports
from pool_worker.ledger.database import default_url, open_database, writing
from pool_worker.ledger.rows import AlertRow
from pool_worker.ledger.schema import migrate
from pool_worker.ledger.tables import alerts

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def configure(cli: CommandLine, text: str) -> None:
    folder = cli.folder / "configs"
    folder.mkdir(exist_ok=True)
    (folder / "pool.yaml").write_text(text, encoding="utf-8")


def test_a_test_goes_to_everybody_and_says_so(cli: CommandLine, mailbox: Mailbox, webhook: Webhook) -> None:
    urls = [mailbox.target.url, webhook.target.url]
    configure(cli, f"alerts: {{targets: {json.dumps(urls)}}}\n")
    ended = cli.run("alerts", "test")
    assert (ended.returncode, ended.stderr) == (0, "")
    port = webhook.server.server_port
    assert ended.stdout.splitlines()[1] == f"✓ json://127.0.0.1:{port}/…: it was taken"
    assert mailbox.titles == webhook.titles == ["this is a test"]


def test_who_does_not_take_it_is_named_with_the_reason_and_no_secret(cli: CommandLine, webhook: Webhook) -> None:
    webhook.status = 401
    configure(cli, f"alerts: {{targets: ['{webhook.target.url}', 'nonsense://s3cret']}}\n")
    ended = cli.run("alerts", "test")
    assert ended.returncode == 1
    assert ended.stdout.count("✗") == 2
    assert "401" in ended.stdout
    assert "s3cret" not in ended.stdout + ended.stderr
    first, second = json.loads(cli.run("alerts", "test", "--json").stdout)
    assert (first["ok"], second["target"]) == (False, "nonsense://…")


def test_the_environment_is_enough(cli: CommandLine, mailbox: Mailbox) -> None:
    server = mailbox.target.url.partition("&to=")[0]
    (cli.folder / ".env").write_text(f"ALERT_EMAIL=admin@platform.example\nALERT_SMTP_URL={server}\n")
    assert cli.run("alerts", "test").stdout == "✓ e-mail to admin@platform.example: it was taken\n"
    assert mailbox.recipients == ["admin@platform.example"]


def test_what_is_missing_is_said(cli: CommandLine) -> None:
    ended = cli.run("alerts", "test", variables={"ALERT_EMAIL": "admin@platform.example"})
    assert ended.returncode == 1
    assert "ALERT_EMAIL is set, but no server to send it; set ALERT_SMTP_URL" in ended.stderr
    nobody = cli.run("alerts", "test")
    assert nobody.returncode == 1
    assert "name targets under `alerts` in pool.yaml" in nobody.stderr


@pytest.mark.parametrize(
    ("variables", "state", "words"),
    [
        ({}, "ok", "are sent to nobody"),
        ({"TELEGRAM_BOT_TOKEN": "1:s3cret", "TELEGRAM_CHAT_ID": "2"}, "ok", "go to Telegram"),
        ({"ALERT_EMAIL": "admin@platform.example"}, "warning", "ALERT_EMAIL is set, but no server to send it"),
    ],
)
def test_the_doctor_says_who_is_told(cli: CommandLine, variables: dict[str, str], state: str, words: str) -> None:
    found = json.loads(cli.run("doctor", "--json", variables=variables).stdout)
    (finding,) = [each for each in found if each["check"] == "alerts"]
    assert finding["state"] == state
    assert words in finding["text"]
    assert "s3cret" not in finding["text"]


def book_alerts(cli: CommandLine, *severities: Severity) -> None:
    engine = open_database(default_url(cli.home))
    migrate(engine)
    rows = [
        AlertRow(alert_id=f"{each} {n}", severity=each, source="s", cause=f"c{n}", title="t", message="m", created_at=NOON)
        for n, each in enumerate(severities)
    ]
    with writing(engine) as connection:
        connection.execute(alerts.insert(), [row.to_columns() for row in rows])
    engine.dispose()


@pytest.fixture
def four_alerts(cli: CommandLine) -> CommandLine:
    cli.home.mkdir()
    book_alerts(cli, *["warning"] * 4)
    return cli


def still_open(cli: CommandLine) -> list[int]:
    engine = open_database(default_url(cli.home))
    found = reports.list_alerts(engine, open_only=True)
    engine.dispose()
    return sorted(alert.id for alert in found)


def test_several_are_acknowledged_at_once_and_what_is_none_is_named(four_alerts: CommandLine) -> None:
    ended = four_alerts.run("alerts", "ack", "1", "3", "99", "98")
    assert ended.returncode == 2
    assert ended.stdout.splitlines() == ["alert 1 is acknowledged", "alert 3 is acknowledged"]
    assert "there is no alert 99, 98: " in ended.stderr
    assert still_open(four_alerts) == [2, 4]


def test_where_nothing_is_wrong_it_is_said_first(four_alerts: CommandLine) -> None:
    words = "No warning or critical alert is open; what follows is for information."
    assert words not in four_alerts.run("alerts", "list").stdout
    four_alerts.run("alerts", "ack", "--all")
    for arguments in ((), ("--all",)):
        assert four_alerts.run("alerts", "list", *arguments).stdout.startswith(f"{words}\n")
    assert len(json.loads(four_alerts.run("alerts", "list", "--json").stdout)) == 4
    book_alerts(four_alerts, "critical")
    assert words not in four_alerts.run("alerts", "list").stdout
    four_alerts.run("alerts", "ack", "--all")
    book_alerts(four_alerts, "info")
    assert words in four_alerts.run("alerts", "list", "--open").stdout


def test_all_are_acknowledged(four_alerts: CommandLine) -> None:
    four_alerts.run("alerts", "ack", "1")
    assert four_alerts.run("alerts", "ack", "--all").stdout == "3 alerts acknowledged\n"
    assert still_open(four_alerts) == []


def book_end(cli: CommandLine, cause: str) -> None:
    engine = open_database(default_url(cli.home))
    later = NOON + timedelta(hours=1)
    words = {"source": "s", "cause": cause, "title": "t", "message": "m"}
    row = AlertRow(alert_id=f"end of {cause}", severity="info", **words, created_at=later, acknowledged=True)
    with writing(engine) as connection:
        connection.execute(alerts.insert(), [row.to_columns()])
    engine.dispose()


def test_those_that_are_over_are_not_counted(four_alerts: CommandLine) -> None:
    book_end(four_alerts, "c0")
    assert four_alerts.run("alerts", "ack", "--all").stdout == "3 alerts acknowledged\n"
    assert four_alerts.run("alerts", "ack", "--all").stdout == "no alert was open\n"


def test_seen_ones_that_are_not_over_are_told_where_none_is_open(four_alerts: CommandLine) -> None:
    assert "not over yet" not in four_alerts.run("alerts", "list", "--open").stderr
    book_end(four_alerts, "c0")
    four_alerts.run("alerts", "ack", "--all")
    assert "3 acknowledged alerts are not over yet: " in four_alerts.run("alerts", "list", "--open").stderr
    for cause in ("c1", "c2"):
        book_end(four_alerts, cause)
    assert "1 acknowledged alert is not over yet: " in four_alerts.run("alerts", "list", "--open").stderr
    book_end(four_alerts, "c3")
    assert "not over yet" not in four_alerts.run("alerts", "list", "--open").stderr


@pytest.mark.parametrize("arguments", [(), ("--all", "1")])
def test_which_ones_must_be_said(four_alerts: CommandLine, arguments: tuple[str, ...]) -> None:
    ended = four_alerts.run("alerts", "ack", *arguments)
    assert (ended.returncode, "name the alerts that were seen, or say --all" in ended.stderr) == (2, True)
