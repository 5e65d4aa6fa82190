"""Who is told of alerts: from pool.yaml and from the environment, and what is shown of their addresses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pool_worker.alert_rules import AlertRules, AlertTarget, DigestRules, QuietHours
from pool_worker.config import ConfigError, load_registry
from pool_worker.config.alerts import shown_address

WriteConfigs = Callable[[dict[str, str]], Path]

SERVER = "mailtos://pool:s3cret@smtp.example.com?from=pool@example.com"


def rules(write_configs: WriteConfigs, text: str, **environ: str) -> AlertRules:
    return load_registry(write_configs({"pool.yaml": text}), environ=environ).rules.alerts


def mistakes(write_configs: WriteConfigs, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        rules(write_configs, text)
    return [line.partition("pool.yaml:")[2] for line in str(caught.value).splitlines()]


def test_plain_addresses_get_everything(write_configs: WriteConfigs) -> None:
    found = rules(write_configs, "alerts:\n  targets: ['mailto://me:s3cret@example.com', 'tgram://1:s3cret/2']\n")
    assert found.targets == (
        AlertTarget("mailto://me:s3cret@example.com", "mailto://…@example.com"),
        AlertTarget("tgram://1:s3cret/2", "tgram://…"),
    )
    assert found == AlertRules(targets=found.targets)
    assert "s3cret" not in repr(found)


def test_a_target_may_say_what_it_wants_and_how_it_is_called(write_configs: WriteConfigs) -> None:
    text = (
        "alerts:\n  targets:\n    - {url: 'pagerduty://k@a', severities: [critical], name: on call}\n    - {url: 'json://h/x'}\n"
    )
    assert rules(write_configs, text).targets == (
        AlertTarget("pagerduty://k@a", "on call", frozenset({"critical"})),
        AlertTarget("json://h/x", "json://h/…"),
    )


def test_targets_that_look_alike_are_numbered(write_configs: WriteConfigs) -> None:
    found = rules(write_configs, "alerts:\n  targets: ['slack://a/b/c', 'slack://d/e/f', 'slack://g/h/i']\n")
    assert [target.name for target in found.targets] == ["slack://…", "slack://… (2)", "slack://… (3)"]


def test_quiet_hours_and_digest(write_configs: WriteConfigs) -> None:
    text = "alerts:\n  quiet_hours: {from: 22:00, until: '7:30'}\n  digest: {more_than: 0, within_s: 300}\n"
    found = rules(write_configs, text)
    assert found.quiet_hours == QuietHours(time(22), time(7, 30))
    assert found.digest == DigestRules(0, 300)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "{targets: [tok3n]}",
            "1: alerts.targets[0]: the value is not an Apprise address; write e.g. mailto://user@example.com",
        ),
        ("{targets: [{name: me}]}", "1: alerts.targets[0].url: is missing; write e.g. url: mailto://user@example.com"),
        (
            "{targets: [{url: 'json://h', severities: [critcal]}]}",
            '1: alerts.targets[0].severities[0]: "critcal" is not a severity; did you mean "critical"?',
        ),
        ("{quiet_hours: {from: '22:00'}}", '1: alerts.quiet_hours.until: is missing; write e.g. "22:00"'),
        (
            "{quiet_hours: {from: late, until: '7:00'}}",
            '1: alerts.quiet_hours.from: "late" is no time of day; write e.g. "22:00"',
        ),
        (
            "{quiet_hours: {from: '7:00', until: '07:00'}}",
            '1: alerts.quiet_hours: a mapping begins when it ends; write e.g. {from: "22:00", until: "07:00"}, or take it out',
        ),
        ("{digest: {within_s: 0}}", "1: alerts.digest.within_s: 0 is too small; write 1 or more"),
    ],
)
def test_mistakes(write_configs: WriteConfigs, text: str, told: str) -> None:
    assert mistakes(write_configs, f"alerts: {text}\n") == [told]


def test_the_environment_names_targets_too(write_configs: WriteConfigs) -> None:
    environ = {
        "TELEGRAM_BOT_TOKEN": "123456:ABC-DEF",
        "TELEGRAM_CHAT_ID": "-100987",
        "ALERT_EMAIL": "a@b.example, c+d@e.example",
        "ALERT_SMTP_URL": SERVER,
    }
    found = rules(write_configs, "alerts: {targets: ['json://h']}\n", **environ)
    assert {target.name: target.url for target in found.targets} == {
        "json://h": "json://h",
        "Telegram": "tgram://123456:ABC-DEF/-100987/",
        "e-mail to a@b.example": f"{SERVER}&to=a%40b.example",
        "e-mail to c+d@e.example": f"{SERVER}&to=c%2Bd%40e.example",
    }
    assert found.missing == ()


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"ALERT_EMAIL": "a@b.example"}, "ALERT_EMAIL is set, but no server to send it; set ALERT_SMTP_URL, e.g. mailtos://"),
        ({"ALERT_EMAIL": "s3cret", "ALERT_SMTP_URL": SERVER}, "ALERT_EMAIL is not an e-mail address; write e.g. admin@"),
        (
            {"ALERT_EMAIL": "a@b.example", "ALERT_SMTP_URL": "smtp.s3cret.example"},
            "ALERT_SMTP_URL is not an e-mail server's address; write e.g. mailtos://",
        ),
        ({"TELEGRAM_BOT_TOKEN": "1:s3cret"}, "TELEGRAM_BOT_TOKEN is of no use without TELEGRAM_CHAT_ID; add TELEGRAM_CHAT_ID=…"),
    ],
)
def test_what_is_missing_there_stops_nothing_and_is_said(
    write_configs: WriteConfigs, environ: dict[str, str], missing: str
) -> None:
    found = rules(write_configs, "", **environ)
    assert found.targets == ()
    assert found.missing[0].startswith(missing)
    assert "s3cret" not in "".join(found.missing)


def test_the_designs_variables_work_as_they_are(write_configs: WriteConfigs, data: Path) -> None:
    lines = (data / "design.env").read_text().splitlines()
    found = rules(write_configs, "", **dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")))
    assert [target.url for target in found.targets] == ["tgram://123456:ABC-DEF/987654321/"]
    assert [sentence.split()[0] for sentence in found.missing] == ["ALERT_EMAIL"]


def test_placeholders_are_nobody(write_configs: WriteConfigs) -> None:
    environ = {"TELEGRAM_BOT_TOKEN": "your_token_here", "TELEGRAM_CHAT_ID": "", "ALERT_EMAIL": "changeme"}
    assert rules(write_configs, "", **environ) == AlertRules()


WORDS = st.text("abcdefghij0123456789-_", min_size=6, max_size=12)


@settings(derandomize=True, deadline=None)
@given(st.sampled_from(["tgram", "slack", "mailtos", "json", "discord", "pagerduty"]), WORDS, WORDS, WORDS, WORDS)
def test_no_part_of_an_address_but_its_host_is_shown(scheme: str, user: str, password: str, host: str, path: str) -> None:
    shown = shown_address(f"{scheme}://{user}.u:{password}.p@{host}.h/{path}.x?to={path}.y")
    assert not any(f"{part}.{mark}" in shown for part, mark in ((user, "u"), (password, "p"), (path, "x"), (path, "y")))
