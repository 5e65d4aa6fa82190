"""Reading a claimed message, before Celery sees it: what Celery cannot take it throws away. No I/O.

Celery's consumer acknowledges what it cannot decode and rejects tasks that it does not know; either way the message is gone. So
whatever it would stumble over is refused here, with a reason, and kept as a dead letter (`pool_worker.broker.burying`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

from celery.utils.time import maybe_iso8601
from kombu.utils.json import loads

from pool_client.errors import CompletionError, ConfigurationError, PoolError
from pool_client.queues import TASK_NAME

MAX_DELIVERIES = 3
"""A message whose worker died this often while it had it in hand is not tried again."""
MAX_NAME = 255

_CONTENT_TYPE, _ENCODING = "application/json", "utf-8"
_WRONG_VALUE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)
"""What kombu's JSON raises: it also rebuilds dates, decimals and UUIDs."""


class UndeliverableError(Exception):
    """A message cannot be worked on; says why, and what would be right."""

    def __init__(self, reason: str, *, told_as: type[PoolError] = ConfigurationError) -> None:
        super().__init__(reason)
        self.reason = reason
        self.told_as = told_as
        """What the caller gets, if it is the message of a job."""


def read_message(text: bytes, *, deliveries: int, known_tasks: Container[str]) -> dict[str, Any]:
    """The message, as Celery can take it.

    `deliveries` counts this one too.

    Raises:
        UndeliverableError: if Celery would drop it or die of it, or if its workers have died too often.
    """
    message = _json_of(_utf8(text), what="the message")
    if not isinstance(message, dict):
        msg = "the message is no JSON object"
        raise UndeliverableError(msg)
    headers = _part(message, "headers", of="a task's message (Celery's protocol 2)")
    _part(message, "properties", of="a message of kombu's")
    _check_headers(headers, known_tasks)
    _check_body(message, task=headers["task"])
    if deliveries > MAX_DELIVERIES:
        reason = f"{MAX_DELIVERIES} workers died, or were cut off from Redis, while they worked on it"
        raise UndeliverableError(reason, told_as=CompletionError)
    return dict(message)


def is_name(value: object) -> bool:
    """Whether it can be the name of a task or an id: something that people can read, and Redis can hold."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable() and " " not in value


@dataclass(frozen=True, slots=True)
class Names:
    """What a message is about, as far as it can be read; "" where it cannot."""

    task_id: str = ""
    task: str = ""
    job_id: str = ""
    """The job's, if it is the message of one; that this is the task's id too is the rule."""
    expires: bool = False


def readable_names(text: bytes) -> Names:
    """The names in any message."""
    try:
        message = _json_of(_utf8(text), what="")
        headers = message["headers"]
        found = Names(_name(headers.get("id")), _name(headers.get("task")), expires=headers.get("expires") is not None)
    except (UndeliverableError, *_WRONG_VALUE):
        return Names()
    return replace(found, job_id=found.task_id if found.task != TASK_NAME else _first_argument(message) or found.task_id)


def readable_body(text: bytes) -> bytes | None:
    """The body of any message, unarmoured; None where there is none."""
    try:
        return _body(_json_of(_utf8(text), what=""))
    except (UndeliverableError, *_WRONG_VALUE):
        return None


def _first_argument(message: dict[str, Any]) -> str:
    try:
        return _name(_content(message)[0][0])
    except (UndeliverableError, *_WRONG_VALUE):
        return ""


def _name(value: object) -> str:
    return value if isinstance(value, str) and is_name(value) else ""


def _part(message: dict[str, Any], name: str, *, of: str) -> dict[str, Any]:
    part = message.get(name)
    if not isinstance(part, dict):
        raise _refusal(None if part is None else type(part).__name__, f"{name}: {{}}; {of} has an object there")
    return part


def _check_headers(headers: dict[str, Any], known_tasks: Container[str]) -> None:
    task_id, task, compression = headers.get("id"), headers.get("task"), headers.get("compression")
    if not is_name(task_id):
        raise _refusal(task_id, "headers.id: {} is no task's id")
    if not is_name(task):
        raise _refusal(task, "headers.task: {} is no task's name")
    if task not in known_tasks:
        raise _refusal(task, "no task is called {} in the workers' release: update the workers")
    if compression:
        raise _refusal(compression, "headers.compression: {}; it should be sent uncompressed")
    if headers.get("eta") is not None:
        raise _refusal(headers["eta"], "headers.eta: {}; it would wait in a worker's memory: send it when it is due")
    if not _is_time(headers.get("expires")):
        raise _refusal(headers["expires"], "headers.expires: {} is no time in ISO 8601")
    for name, fits in _HEADERS.items():
        if not fits(headers.get(name)):
            raise _refusal(type(headers[name]).__name__, f"headers.{name}: {{}} is not what Celery sends")


def _check_body(message: dict[str, Any], *, task: str) -> None:
    content_type, encoding = message.get("content-type"), message.get("content-encoding")
    if content_type != _CONTENT_TYPE:
        raise _refusal(content_type, f"content-type: {{}}; the workers accept {_CONTENT_TYPE} only")
    if encoding != _ENCODING:
        raise _refusal(encoding, f"content-encoding: {{}}; it should be {_ENCODING}")
    content = _content(message)
    if not isinstance(content, list) or [type(part) for part in content] != [list, dict, dict]:
        raise _refusal(task, "body: {} gets [arguments, keyword arguments, callbacks] there")
    if task == TASK_NAME and not _is_one_id(*content):
        raise _refusal(task, "body: {} takes one argument, the job's id")


def _content(message: dict[str, Any]) -> Any:
    """What the body holds: [arguments, keyword arguments, callbacks], if it is right."""
    return _json_of(_utf8(_body(message)), what="body")


def _body(message: dict[str, Any]) -> bytes:
    body, armour = message.get("body"), message["properties"].get("body_encoding")
    if not isinstance(body, str):
        raise _refusal(type(body).__name__, "body: {} where text should be")
    if armour == "base64":
        return _unarmoured(body)
    if armour in (_ENCODING, None):
        return body.encode("utf-8", "surrogatepass")
    raise _refusal(armour, "properties.body_encoding: {}; it should be base64")


def _is_one_id(args: list[Any], kwargs: dict[str, Any], _: dict[str, Any]) -> bool:
    return len(args) == 1 and is_name(args[0]) and not kwargs


def _is_time(value: object) -> bool:
    if value is None:
        return True
    try:
        maybe_iso8601(value).astimezone(UTC).timestamp()
    except _WRONG_VALUE:
        return False
    return True


def _unarmoured(body: str) -> bytes:
    try:
        return base64.b64decode(body)
    except ValueError:
        msg = "body: it is no base64"
        raise UndeliverableError(msg) from None


def _utf8(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"it is no UTF-8 text (see byte {error.start})"
        raise UndeliverableError(msg) from None


def _json_of(text: str, *, what: str) -> Any:
    try:
        return loads(text)
    except json.JSONDecodeError as error:
        msg = f"{what} is no JSON: {error}"
        raise UndeliverableError(msg) from None
    except _WRONG_VALUE as error:
        msg = f"{what} is JSON that cannot be read ({type(error).__name__})"
        raise UndeliverableError(msg) from None


def _refusal(found: object, sentence: str) -> UndeliverableError:
    """`{}` in the sentence stands for what was found: quoted, short, harmless wherever it is shown, and never of a body."""
    return UndeliverableError(sentence.format("nothing" if found is None else ascii(found)[:80]))


def _is_time_limit(value: object) -> bool:
    return value is None or (isinstance(value, list) and [_is_number_or_none(each) for each in value] == [True, True])


def _is_number_or_none(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _are_stamps(value: object) -> bool:
    return value is None or (isinstance(value, dict) and all(_are_texts(each) for each in value.values()))


def _are_texts(value: object) -> bool:
    return _is_text_or_none(value) or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


_HEADERS: dict[str, Callable[[object], bool]] = {
    "timelimit": _is_time_limit,
    "retries": lambda value: value is None or (isinstance(value, int) and value >= 0),
    "shadow": _is_text_or_none,
    "argsrepr": _is_text_or_none,
    "kwargsrepr": _is_text_or_none,
    "root_id": _is_text_or_none,
    "parent_id": _is_text_or_none,
    "stamped_headers": _are_texts,
    "stamps": _are_stamps,
}
