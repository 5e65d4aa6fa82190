"""The Celery message of a job: protocol 2, in the JSON form in which kombu's Redis transport keeps messages in lists.

It carries the job's id and nothing else of it, so that neither Flower nor anyone who looks into a queue sees a prompt. Sources:
`celery.app.amqp.AMQP.as_task_v2`, `kombu.transport.virtual.base.Channel.basic_publish`.
"""

from __future__ import annotations

import base64
import json
import os
import socket

from pool_client.job import Priority
from pool_client.queues import CELERY_PRIORITY, TASK_NAME

_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_PERSISTENT = 2


def origin() -> str:
    """Who sends: process id and host, as Celery names an anonymous sender."""
    return f"gen{os.getpid()}@{socket.gethostname()}"


def render_message(job_id: str, *, queue: str, priority: Priority, delivery_tag: str, origin: str) -> str:
    """The message of a job for one queue; `delivery_tag` is any unique text."""
    body = json.dumps([[job_id], {}, _EMBED]).encode()
    properties = {
        "correlation_id": job_id,
        "reply_to": "",
        "delivery_mode": _PERSISTENT,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": CELERY_PRIORITY[priority],
        "body_encoding": "base64",
        "delivery_tag": delivery_tag,
    }
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": _headers(job_id, origin),
            "properties": properties,
        }
    )


def _headers(job_id: str, origin: str) -> dict[str, object]:
    return {
        "lang": "py",
        "task": TASK_NAME,
        "id": job_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": job_id,
        "parent_id": None,
        "argsrepr": f"({job_id!r},)",
        "kwargsrepr": "{}",
        "origin": origin,
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
