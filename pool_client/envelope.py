"""The Celery message of a job: protocol 2, in the JSON form in which kombu's Redis transport keeps messages in lists.

It carries the job's id and nothing else of it, so that neither Flower nor anyone who looks into a queue sees a prompt. Sources:
`celery.app.amqp.AMQP.as_task_v2`, `kombu.transport.virtual.base.Channel.basic_publish`.
"""

from __future__ import annotations

import base64
import json
import os
import socket
from functools import lru_cache

from pool_client.job import Priority
from pool_client.queues import CELERY_PRIORITY, TASK_NAME

_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_PERSISTENT = 2
_ID, _BODY, _SPAN = "<job id>", "<body>", "<traceparent>"


def origin() -> str:
    """Who sends: process id and host, as Celery names an anonymous sender."""
    return f"gen{os.getpid()}@{socket.gethostname()}"


def render_message(job_id: str, *, queue: str, priority: Priority, origin: str, traceparent: str = "") -> str:
    """The message of a job for one queue. Its delivery tag is the job's id: a job never has two messages at a time.

    `traceparent`: the span to which the job belongs, if its caller traces (`pool_client.tracing`).
    """
    body = base64.b64encode(_BODY_TEMPLATE.replace(_ID, job_id).encode()).decode()
    message = _template(queue, priority, origin, is_traced=bool(traceparent))
    return message.replace(_BODY, body).replace(_ID, job_id).replace(_SPAN, traceparent)


_BODY_TEMPLATE = json.dumps([[_ID], {}, _EMBED])


@lru_cache(maxsize=64)
def _template(queue: str, priority: Priority, origin: str, *, is_traced: bool) -> str:
    """The message with placeholders: ids have only letters, digits, `_` and `-`, so they can be put into JSON as they are."""
    properties = {
        "correlation_id": _ID,
        "reply_to": "",
        "delivery_mode": _PERSISTENT,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": CELERY_PRIORITY[priority],
        "body_encoding": "base64",
        "delivery_tag": _ID,
    }
    return json.dumps(
        {
            "body": _BODY,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": _headers(origin) | ({"traceparent": _SPAN} if is_traced else {}),
            "properties": properties,
        }
    )


def _headers(origin: str) -> dict[str, object]:
    return {
        "lang": "py",
        "task": TASK_NAME,
        "id": _ID,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": _ID,
        "parent_id": None,
        "argsrepr": repr((_ID,)),
        "kwargsrepr": "{}",
        "origin": origin,
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
