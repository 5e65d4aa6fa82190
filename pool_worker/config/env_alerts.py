"""Where the environment wants alerts sent: `TELEGRAM_BOT_TOKEN`, `TELEGRAM_CHAT_ID`, `ALERT_EMAIL` and `ALERT_SMTP_URL`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from pool_worker.alert_rules import AlertRules, AlertTarget
from pool_worker.config.alerts import distinct
from pool_worker.config.env_file import Assignments, Variable, is_placeholder

NAMES = ("TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "ALERT_EMAIL", "ALERT_SMTP_URL")
NO_SERVER = (
    "ALERT_EMAIL is set, but no server to send it; "
    "set ALERT_SMTP_URL, e.g. mailtos://user:password@smtp.example.com?from=pool@example.com"
)

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_SERVER = re.compile(r"mailtos?://[^\s/]")


@dataclass(frozen=True, slots=True)
class AlertTargets:
    """Who is to be told."""

    telegram_bot_token: str | None = field(default=None, repr=False)
    telegram_chat_id: str | None = None
    emails: tuple[str, ...] = ()
    smtp_url: str | None = field(default=None, repr=False)
    """Apprise's address of the server that sends the e-mails, without a recipient."""


def with_environment(rules: AlertRules, environ: Mapping[str, str]) -> AlertRules:
    """The rules with the targets that the environment names; what is wrong or missing there is no mistake but a sentence."""
    assignments = Assignments("", [Variable(name, environ.get(name, ""), 0) for name in NAMES], [])
    found = read_alert_targets(assignments)
    missing = [f"{mistake.path} {mistake.problem}; {mistake.right}" for mistake in assignments.mistakes]
    if found.emails and found.smtp_url is None:
        missing.append(NO_SERVER)
    return replace(rules, targets=distinct((*rules.targets, *_targets(found))), missing=tuple(missing))


def _targets(found: AlertTargets) -> Iterator[AlertTarget]:
    if found.telegram_bot_token and found.telegram_chat_id:
        yield AlertTarget(f"tgram://{found.telegram_bot_token}/{quote(found.telegram_chat_id, safe='@:-')}/", "Telegram")
    for address in found.emails if found.smtp_url else ():
        joint = "&" if "?" in str(found.smtp_url) else "?"
        yield AlertTarget(f"{found.smtp_url}{joint}to={quote(address)}", f"e-mail to {address}")


def read_alert_targets(assignments: Assignments) -> AlertTargets:
    """The targets of a file; half a Telegram is a mistake."""
    token, chat, email, server = (_given(assignments, name) for name in NAMES)
    if token and not chat:
        assignments.wrong(token, "is of no use without TELEGRAM_CHAT_ID", "add TELEGRAM_CHAT_ID=…, or take this out")
    if chat and not token:
        assignments.wrong(chat, "is of no use without TELEGRAM_BOT_TOKEN", "add TELEGRAM_BOT_TOKEN=…, or take this out")
    addresses = tuple(part.strip() for part in email.value.split(",")) if email else ()
    if email and not all(map(_ADDRESS.fullmatch, addresses)):
        right = "write e.g. admin@platform.example, several with commas between"
        assignments.wrong(email, "is not an e-mail address", right)
        addresses = ()
    if server and not _SERVER.match(server.value):
        assignments.wrong(server, "is not an e-mail server's address", "write e.g. mailtos://user:password@smtp.example.com")
        server = None
    given = [None if each is None else each.value for each in (token, chat, server)]
    return AlertTargets(given[0], given[1], addresses, given[2])


def _given(assignments: Assignments, name: str) -> Variable | None:
    found = (each for each in assignments.variables if each.name.upper() == name)
    return next((each for each in found if each.value and not is_placeholder(each.value)), None)
