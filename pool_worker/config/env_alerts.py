"""Where a `.env` file wants alerts sent: `TELEGRAM_BOT_TOKEN`, `TELEGRAM_CHAT_ID`, `ALERT_EMAIL`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pool_worker.config.env_file import Assignments, Variable, is_placeholder

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class AlertTargets:
    """Who is to be told."""

    telegram_bot_token: str | None = field(default=None, repr=False)
    telegram_chat_id: str | None = None
    emails: tuple[str, ...] = ()


def read_alert_targets(assignments: Assignments) -> AlertTargets:
    """The targets of a file; half a Telegram is a mistake."""
    token, chat, email = (_given(assignments, name) for name in ("TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "ALERT_EMAIL"))
    if token and not chat:
        assignments.wrong(token, "is of no use without TELEGRAM_CHAT_ID", "add TELEGRAM_CHAT_ID=…, or take this out")
    if chat and not token:
        assignments.wrong(chat, "is of no use without TELEGRAM_BOT_TOKEN", "add TELEGRAM_BOT_TOKEN=…, or take this out")
    addresses = tuple(part.strip() for part in email.value.split(",")) if email else ()
    if email and not all(map(_ADDRESS.fullmatch, addresses)):
        right = "write e.g. admin@platform.example, several with commas between"
        assignments.wrong(email, "is not an e-mail address", right)
    return AlertTargets(token.value if token else None, chat.value if chat else None, addresses)


def _given(assignments: Assignments, name: str) -> Variable | None:
    found = (each for each in assignments.variables if each.name.upper() == name)
    return next((each for each in found if each.value and not is_placeholder(each.value)), None)
