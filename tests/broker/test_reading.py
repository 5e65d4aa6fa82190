"""Whatever bytes a queue holds: they are refused with a reason, or Celery can take them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
from celery import Celery
from celery.worker.request import Request
from hypothesis import given, settings
from kombu import Connection
from kombu.transport.virtual import Channel, Message
from kombu.utils.json import dumps

from pool_client.envelope import origin, render_message
from pool_client.errors import CompletionError, ConfigurationError
from pool_client.job import Priority
from pool_client.queues import TASK_NAME
from pool_worker.broker.reading import MAX_DELIVERIES, Names, UndeliverableError, read_message, readable_names

JOB_ID = "7e57ab1e-0000-4000-8000-000000000001"
KNOWN = frozenset({TASK_NAME, "report"})
OURS = json.loads(render_message(JOB_ID, queue="free", priority=Priority.HIGH, origin=origin()))
PLENTY = settings(max_examples=400, deadline=None, derandomize=True)


def text(*path_and_value: Any, **changes: Any) -> bytes:
    """A job's message, with another value somewhere."""
    message = json.loads(json.dumps(OURS)) | changes
    if path_and_value:
        *path, last, value = path_and_value
        place = message
        for step in path:
            place = place[step]
        place[last] = value
    return json.dumps(message).encode()


def body(content: Any) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


def refusal(message: bytes, *, deliveries: int = 1) -> UndeliverableError:
    with pytest.raises(UndeliverableError) as caught:
        read_message(message, deliveries=deliveries, known_tasks=KNOWN)
    return caught.value


def test_a_jobs_message_is_read() -> None:
    assert read_message(text(), deliveries=1, known_tasks=KNOWN) == OURS
    assert readable_names(text()) == Names(JOB_ID, TASK_NAME, JOB_ID)


def test_a_message_of_celerys_own_is_read() -> None:
    with Celery("other", broker="memory://", set_as_current=False) as app:
        app.send_task("report", args=(1,), kwargs={"of": "all"}, task_id="t1", queue="free", priority=3, expires=60)
        raw = dumps(app.connection().default_channel._get("free")).encode()
    message = read_message(raw, deliveries=1, known_tasks=KNOWN)
    assert message["headers"]["id"] == "t1"
    assert readable_names(raw) == Names("t1", "report", "t1", expires=True)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        pytest.param(b"", "the message is no JSON", id="nothing"),
        pytest.param(b"\xff\xfe", r"no UTF-8 text \(see byte 0\)", id="bytes"),
        pytest.param(b"[1, 2]", "no JSON object", id="a list"),
        pytest.param(b"[" * 100_000, "cannot be read", id="too deep"),
        pytest.param(b'{"headers": {}}', "properties: nothing; a message of kombu's", id="no properties"),
        pytest.param(text(headers=None), r"headers: nothing; a task's message \(Celery's protocol 2\)", id="no headers"),
        pytest.param(text("headers", "id", 7), "headers.id: 7", id="an id that is none"),
        pytest.param(text("headers", "id", "\ud800"), "headers.id: '.ud800'", id="an id that Redis cannot hold"),
        pytest.param(text("headers", "task", "gone"), "no task is called 'gone' in the workers' release: update", id="unknown"),
        pytest.param(text("headers", "task", "\x1b[2J"), r"headers.task: '.x1b\[2J'", id="a task that clears the screen"),
        pytest.param(text("headers", "eta", "2099-01-01T00:00:00+00:00"), "headers.eta: '2099-01-01T00:00:00", id="a later time"),
        pytest.param(text("headers", "expires", "soon"), "headers.expires: 'soon' is no time", id="a time that is none"),
        pytest.param(text("headers", "expires", 5), "headers.expires: 5 is no time", id="a number for a time"),
        pytest.param(text("headers", "timelimit", [1]), "headers.timelimit: 'list' is not what Celery sends", id="time limits"),
        pytest.param(text("headers", "compression", "gzip"), "sent uncompressed", id="compressed"),
        pytest.param(text(**{"content-type": "application/x-python-serialize"}), "accept application/json only", id="pickle"),
        pytest.param(text(**{"content-encoding": "binary"}), "it should be utf-8", id="another encoding"),
        pytest.param(text("properties", "body_encoding", "rot13"), "body_encoding: 'rot13'", id="another armour"),
        pytest.param(text(body=None), "body: 'NoneType' where text should be", id="no body"),
        pytest.param(text(body="A"), "body: it is no base64", id="cut base64"),
        pytest.param(text(body=body("hello")), r"gets \[arguments, keyword arguments, callbacks\] there", id="another body"),
        pytest.param(text(body=body([[], {}, {}])), "takes one argument, the job's id", id="no job"),
        pytest.param(text(body=body([["a", "b"], {}, {}])), "takes one argument, the job's id", id="two jobs"),
    ],
)
def test_what_celery_would_drop_is_refused_with_the_reason(message: bytes, reason: str) -> None:
    refused = refusal(message)
    assert refused.told_as is ConfigurationError
    with pytest.raises(UndeliverableError, match=reason):
        raise refused


def test_a_reason_never_quotes_a_body() -> None:
    prompt = "the words of somebody"
    assert prompt not in refusal(text(body=body([[prompt, prompt], {}, {}]))).reason
    assert prompt not in refusal(text(body=body(prompt))).reason
    assert prompt not in refusal(text("headers", "argsrepr", [prompt])).reason


def test_a_message_whose_workers_die_is_given_up() -> None:
    assert read_message(text(), deliveries=MAX_DELIVERIES, known_tasks=KNOWN)
    poison = refusal(text(), deliveries=MAX_DELIVERIES + 1)
    assert poison.told_as is CompletionError
    assert poison.reason.startswith("3 workers died")


def test_a_job_is_known_by_the_argument_or_else_by_the_id() -> None:
    assert readable_names(text("headers", "id", "link-of-a-chain")) == Names("link-of-a-chain", TASK_NAME, JOB_ID)
    assert readable_names(text(body="?")) == Names(JOB_ID, TASK_NAME, JOB_ID)
    assert readable_names(text("headers", "task", "of.tomorrow")) == Names(JOB_ID, "of.tomorrow", JOB_ID)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.sampled_from(["base64", "utf-8"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("__type__"), inner, max_size=3),
    max_leaves=6,
)
TIMES = st.datetimes(timezones=st.none() | st.timezones()).map(lambda at: at.isoformat())


@st.composite
def nearly_right(draw: st.DrawFn) -> bytes:
    """A job's message with up to two places changed."""
    message = json.loads(json.dumps(OURS))
    for _ in range(draw(st.integers(0, 2))):
        part = message[draw(st.sampled_from(["headers", "properties"]))] if draw(st.booleans()) else message
        if isinstance(part, dict) and part:
            part[draw(st.sampled_from(sorted(part)))] = draw(JSON | TIMES | JSON.map(body))
        if not isinstance(message["headers"], dict) or not isinstance(message["properties"], dict):
            break
    return json.dumps(message).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def app() -> Iterator[Celery]:
    def anything(*_: Any, **__: Any) -> None: ...

    with Celery("any", broker="memory://", set_as_current=False) as app:
        for name in KNOWN - set(app.tasks):  # other tests' apps may share theirs
            app.task(name=name, shared=False)(anything)
        yield app


@pytest.fixture(scope="module")
def channel() -> Iterator[Channel]:
    with Connection("memory://") as connection:
        yield connection.channel()


@PLENTY
@given(message=st.binary() | nearly_right() | nearly_right(), deliveries=st.integers(1, 4))
def test_what_is_let_through_celery_can_take(app: Celery, channel: Channel, message: bytes, deliveries: int) -> None:
    names = readable_names(message)
    assert all(name == "" or name.isprintable() for name in (names.task_id, names.task, names.job_id))
    payload, reason = outcome(message, deliveries)
    assert reason.isprintable()
    if payload is not None:
        assert_celery_takes(payload, app, channel, task_id=names.task_id)


def outcome(message: bytes, deliveries: int) -> tuple[dict[str, Any] | None, str]:
    try:
        return read_message(message, deliveries=deliveries, known_tasks=KNOWN), ""
    except UndeliverableError as refused:
        return None, refused.reason


def assert_celery_takes(payload: dict[str, Any], app: Celery, channel: Channel, *, task_id: str) -> None:
    payload["properties"] |= {"delivery_tag": "tag", "delivery_info": {"exchange": "", "routing_key": "free"}}
    kombu_message = Message(payload, channel=channel)
    kombu_message.accept = {"application/json"}
    assert kombu_message.errors == []
    request = Request(kombu_message, app=app, task=app.tasks[payload["headers"]["task"]], eventer=None)
    assert request.id == task_id
    assert request.revoked() in {True, False}
    assert len(request.time_limits) == 2
    assert request.request_dict["args"] == kombu_message.payload[0]
    json.loads(request.body)[2].get("chord")
