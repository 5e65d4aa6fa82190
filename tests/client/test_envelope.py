"""Our hand-built message against Celery's own, on a real Redis."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import celery
import kombu
import pytest
import redis

from pool_client import Pool, Priority
from pool_client.queues import CELERY_PRIORITY, TASK_NAME, list_name


@pytest.fixture
def app(redis_url: str) -> Iterator[celery.Celery]:
    app = celery.Celery(broker=redis_url, set_as_current=False)
    app.conf.update(
        task_create_missing_queues=True,
        task_ignore_result=True,
        broker_transport_options={"priority_steps": sorted(CELERY_PRIORITY.values())},
    )
    yield app
    app.close()


def shape(value: Any) -> Any:
    """Names and types, down to the leaves."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


def test_it_looks_like_celery_s_own(app: celery.Celery, pool: Pool, redis_client: redis.Redis) -> None:
    ours_id = pool.submit("x", priority=Priority.HIGH).id
    ours = json.loads(redis_client.rpop(list_name("free", 3)))
    app.send_task(TASK_NAME, args=(ours_id,), task_id=ours_id, queue="free", priority=3, ignore_result=True)
    theirs = json.loads(redis_client.rpop(list_name("free", 3)))

    theirs["properties"]["reply_to"] = ""  # Celery names a reply queue of its own thread, for result backends that use one
    assert shape(ours) == shape(theirs)
    for message in (ours, theirs):
        message["body"] = json.loads(base64.b64decode(message["body"]))
        assert message["headers"].pop("origin").startswith("gen")
        message["properties"].pop("delivery_tag")
    assert ours == theirs


@pytest.mark.parametrize("priority", list(Priority))
def test_a_real_kombu_consumer_reads_it(app: celery.Celery, pool: Pool, priority: Priority) -> None:
    job = pool.submit("x", priority=priority)
    with app.connection_for_read() as connection:
        queue = kombu.Queue("free", channel=connection.default_channel)
        message = queue.get()
        assert message is not None
        assert message.decode() == [[job.id], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
        assert message.headers["task"] == TASK_NAME
        assert message.properties["correlation_id"] == job.id
        assert message.delivery_info == {"exchange": "", "routing_key": "free"}
        message.ack()
