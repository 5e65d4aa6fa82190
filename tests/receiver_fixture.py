"""People who are told: a real SMTP server and a real webhook on this machine, which keep what they got."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller

from pool_worker.alert_rules import AlertTarget
from pool_worker.embedded_redis import free_port

PREFIX = "Model Pool: "


class Mailbox:
    """Keeps what is sent to `ops@example.com` (or to anybody)."""

    def __init__(self, port: int) -> None:
        self.target = AlertTarget(f"mailto://127.0.0.1:{port}?mode=insecure&from=pool@example.com&to=ops@example.com", "mail")
        self.recipients: list[str] = []
        self.messages: list[EmailMessage] = []
        self.refusal = ""
        """What is answered to the next ones, e.g. `552 the mailbox is full`."""

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refusal:
            return self.refusal
        self.recipients += envelope.rcpt_tos
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.messages.append(cast(EmailMessage, parsed))
        return "250 OK"

    @property
    def titles(self) -> list[str]:
        return [str(message["Subject"]).removeprefix(PREFIX) for message in self.messages]

    @property
    def bodies(self) -> list[str]:
        return [cast(EmailMessage, message.get_body(("plain",))).get_content() for message in self.messages]


class Webhook:
    """Keeps the JSON that is posted to it."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.status == 200:
                    hook.posted.append(json.loads(body))
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.target = AlertTarget(f"json://127.0.0.1:{self.server.server_port}/s3cret-path", "hook")

    @property
    def titles(self) -> list[str]:
        return [post["title"].removeprefix(PREFIX) for post in self.posted]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    port = free_port()
    mailbox = Mailbox(port)
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield mailbox
    controller.stop()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    webhook = Webhook()
    with webhook.server as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield webhook
        server.shutdown()
        thread.join()
