"""Fault 25: tasks that nobody knows, and messages that nobody can read. Nothing is deleted, and no neighbour is harmed."""

from __future__ import annotations

import base64
import json
from typing import Any

from checker import check
from dead_letters_seen import letters
from lab import Lab
from runs import StartLab, tell

from pool_client import Priority
from pool_client.envelope import render_message
from pool_client.queues import list_name
from pool_client.redis_connection import connect
from pool_worker import redis_keys

NORMAL = list_name("free", 6)


def envelope(**changes: Any) -> dict[str, Any]:
    """The message of a job that does not exist, but for the changes (None: left out)."""
    message: dict[str, Any] = json.loads(render_message("nobody", queue="free", priority=Priority.NORMAL, origin="test"))
    return {name: value for name, value in {**message, **changes}.items() if value is not None}


def headers(**changes: Any) -> dict[str, Any]:
    return {**envelope()["headers"], **changes}


def of_task(task_id: str, **changes: Any) -> bytes:
    return json.dumps(envelope(headers=headers(id=task_id), **changes)).encode()


def body(content: bytes) -> str:
    return base64.b64encode(content).decode()


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "no text": (b"\xff\xfe\x00 garbage", "no UTF-8"),
    "nothing": (b"", "no JSON"),
    "no JSON": (b"SET key value", "no JSON"),
    "half of one": (json.dumps(envelope()).encode()[:-40], "no JSON"),
    "a list": (b"[1, 2, 3]", "no JSON object"),
    "no headers": (json.dumps(envelope(headers=None)).encode(), "headers"),
    "no properties": (json.dumps(envelope(properties=None)).encode(), "properties"),
    "no id": (json.dumps(envelope(headers=headers(id=None))).encode(), "headers.id"),
    "a task nobody knows": (json.dumps(envelope(headers=headers(id="t1", task="pool.complete_v2"))).encode(), "pool.complete_v2"),
    "pickle": (
        json.dumps(envelope(headers=headers(id="t2"), **{"content-type": "application/x-python-serialize"})).encode(),
        "content-type",
    ),
    "a body that is no base64": (of_task("t3", body="***"), "body"),
    "a body that is no JSON": (of_task("t4", body=body(b"{")), "body"),
    "too many arguments": (
        json.dumps(envelope(headers=headers(id="t5"), body=body(b'[["a", "b"], {}, {}]'))).encode(),
        "one argument",
    ),
    "a depth without end": (b"[" * 100_000, "JSON"),
}
"""Message → words of the reason."""


def test_what_cannot_be_read_is_kept_byte_for_byte_and_its_neighbours_are_done(start_lab: StartLab) -> None:
    lab = start_lab()
    jobs = []
    for number, (message, _) in enumerate(UNREADABLE.values()):
        lab.redis.client.lpush(NORMAL, message)
        jobs += lab.submit(2, label=f"neighbour {number}")
    worker = lab.start_worker("a")
    lab.quiesce(jobs)
    found = letters(lab, count=len(UNREADABLE))
    reasons = "\n".join(letter["reason"] for letter in found)
    for name, (_, words) in UNREADABLE.items():
        assert words in reasons, f"{name}\n{reasons}"
    assert kept(lab) == sorted(message for message, _ in UNREADABLE.values())
    findings = check(lab, jobs)
    tell(f"fault 25: {len(UNREADABLE)} unreadable messages kept as dead letters; {findings}")
    assert findings.clean, findings
    assert worker.is_alive


def kept(lab: Lab) -> list[bytes]:
    with connect(lab.redis.url, decode=False) as client:
        ids = client.zrange(redis_keys.DEAD_LETTERS, 0, -1)
        return sorted(client.hget(redis_keys.dead_letter(each.decode()), "message") or b"" for each in ids)
