"""Sending one message to one target through Apprise: blocking, so in a thread of its own. What it says is free of secrets."""

from __future__ import annotations

import logging
import re
import threading
from concurrent.futures import Future
from typing import Any, Self
from urllib.parse import unquote

from pool_worker.alert_rules import AlertTarget, Severity

TIMEOUT_S = 30.0
"""Apprise's own are shorter, so that only who answers drop by drop meets this one."""
SHORTEST_SECRET = 4
"""Shorter parts of an address are words such as `api`."""
KEPT = 300
"""Characters of a reason."""

_NOTIFY_TYPES = {"info": "info", "warning": "warning", "critical": "failure"}
_APPRISE = logging.getLogger("apprise")
_CAUSE = "Exception: "
"""What Apprise caught it says for debugging only."""
_CHATTY = ("urllib3", "requests")
"""What these write of a call for debugging has the tokens of its address in it."""


def send_beside(target: AlertTarget, *, title: str, body: str, severity: Severity) -> Future[str]:
    """Send it in a thread for which nobody who leaves waits; the future is "" if it was taken, else the reason why not."""
    outcome: Future[str] = Future()
    outcome.set_running_or_notify_cancel()

    def work() -> None:
        try:
            outcome.set_result(send(target, title=title, body=body, severity=severity))
        finally:
            if not outcome.done():
                outcome.set_result("sending it failed; see the log")

    threading.Thread(target=work, name=f"alert to {target.name}", daemon=True).start()
    return outcome


def send(target: AlertTarget, *, title: str, body: str, severity: Severity) -> str:
    """Send a message; "" if it was taken, else the reason why not."""
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    with _Reasons() as reasons:
        import apprise  # noqa: PLC0415 - takes a second with all its services, and most processes tell nobody

        service: Any = apprise.Apprise.instantiate(target.url)
        if service is None:
            return "Apprise does not know this kind of address, or a part of it is missing"
        try:
            taken = service.notify(title=title, body=body, notify_type=_NOTIFY_TYPES[severity], body_format="text")
        except (OSError, ValueError, TypeError) as error:
            return without_secrets(f"{type(error).__name__}: {error}", target.url)
    if taken:
        return ""
    return without_secrets("; ".join(reasons.said) or "it was not taken, and no reason was given", target.url)


def without_secrets(text: str, url: str) -> str:
    """A text without any part of an address but its host's name, and not too long."""
    parts = {part for each in (url, unquote(url)) for part in re.split(r"[:/@?&=]+", each.partition("://")[2])}
    host = re.match(r"\w+://(?:[^/?#]*@)?([^/?#@:]*)", url)
    parts -= {host[1]} if host and url.lower().startswith(("mailto", "json", "xml", "form")) else set()
    for part in sorted((part for part in parts if len(part) >= SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(part, "…")
    return " ".join(text.split())[:KEPT]


class _Reasons(logging.Filter):
    """What Apprise says of one message, for it answers only whether it was taken. Nobody else hears it: it has tokens in it."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep what is said in our thread of why it was not taken; what another says is for another."""
        if record.thread != self._thread:
            return True
        text = record.getMessage()
        if record.levelno >= logging.WARNING or _CAUSE in text:
            self.said.append(text)
        return False

    def __enter__(self) -> Self:
        _APPRISE.setLevel(logging.DEBUG)
        _APPRISE.addFilter(self)
        return self

    def __exit__(self, *_: object) -> None:
        _APPRISE.removeFilter(self)
