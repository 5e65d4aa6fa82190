"""One message to one target: it arrives, or there is a reason, and neither shows what is secret."""

from __future__ import annotations

import logging

import pytest
from receiver_fixture import Mailbox, Webhook

from pool_worker.alert_rules import AlertTarget
from pool_worker.alerts.sending import KEPT, send, without_secrets
from pool_worker.embedded_redis import free_port


def told(target: AlertTarget) -> str:
    return send(target, title="Model Pool: groq is down", body="503\nagain", severity="critical")


def test_a_mail_arrives(mailbox: Mailbox) -> None:
    assert told(mailbox.target) == ""
    assert (mailbox.titles, mailbox.recipients) == (["groq is down"], ["ops@example.com"])
    assert mailbox.bodies[0].split() == ["503", "again"]


def test_a_post_arrives_and_says_how_grave_it_is(webhook: Webhook) -> None:
    assert told(webhook.target) == ""
    (post,) = webhook.posted
    assert (post["title"], post["message"], post["type"]) == ("Model Pool: groq is down", "503\nagain", "failure")


def test_a_refusal_has_a_reason_without_the_secret(mailbox: Mailbox, webhook: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    mailbox.refusal, webhook.status = "552 the mailbox is full", 403
    with caplog.at_level(logging.DEBUG):
        assert "the mailbox is full" in told(mailbox.target)
        reason = told(webhook.target)
    assert "403" in reason
    assert "s3cret" not in reason + caplog.text
    assert {record.name for record in caplog.records} & {"apprise", "urllib3.connectionpool"} == set()


NOBODY = ["json://127.0.0.1:{port}/s3cret-path", "mailto://user:s3cret@127.0.0.1:{port}?mode=insecure&to=a@b.example"]


@pytest.mark.parametrize("url", NOBODY)
def test_nobody_there_is_a_reason_too(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        reason = told(AlertTarget(url.format(port=free_port()), "nobody"))
    assert reason
    assert "s3cret" not in reason + caplog.text


@pytest.mark.parametrize("url", ["nonsense://x", "tgram://", "slack://only-one-part-s3cret"])
def test_an_address_that_is_none_says_so(url: str) -> None:
    assert told(AlertTarget(url, "none")) == "Apprise does not know this kind of address, or a part of it is missing"


@pytest.mark.parametrize(
    ("text", "url", "left"),
    [
        ("POST /bot123456:ABC-DEF/send failed", "tgram://123456:ABC-DEF/987654321/", "POST /bot…:…/send failed"),
        ("no route to 127.0.0.1 with hunter22", "json://user:hunter22@127.0.0.1/x", "no route to 127.0.0.1 with …"),
        ("said b@c!xx", "mailto://me:b%40c%21xx@h", "said b@…"),
        ("said b%40c%21xx", "mailto://me:b%40c%21xx@h", "said …"),
        ("x" * 1000, "json://h", "x" * KEPT),
    ],
)
def test_parts_of_an_address_are_left_out(text: str, url: str, left: str) -> None:
    assert without_secrets(text, url) == left
