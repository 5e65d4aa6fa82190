"""Nothing waits in a worker's memory: no ETA, no countdown, no `retry`. What has to wait is parked in Redis."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import given, settings

from beat_schedule import BEAT_SCHEDULE
from pool_client.envelope import origin, render_message
from pool_client.job import Priority, Tier
from pool_client.queues import MAINTENANCE_QUEUE, entry_queue, provider_queue
from pool_worker.app import PoolApp
from pool_worker.settings import Settings

TIMES = {"eta", "countdown"}
RETRIES_OF_A_TASK = {"autoretry_for", "retry_backoff", "retry_jitter", "retry_kwargs", "default_retry_delay"}
RETRY_ARGUMENTS = 2
"""Of Celery's `Retry` (message, exc), before `when`; redis-py's has no more."""


def delays(tree: ast.AST) -> Iterator[str]:
    """Where a piece of code asks Celery to do something later."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg=str(name)) if name in TIMES | RETRIES_OF_A_TASK and not is_none(node.value):
                yield f"{node.lineno}: {name}="
            case ast.Dict():
                pairs = zip(node.keys, node.values, strict=True)
                yield from (
                    f"{node.lineno}: {constant(key)}" for key, value in pairs if constant(key) in TIMES and not is_none(value)
                )
            case ast.Subscript(ctx=ast.Store()) if constant(node.slice) in TIMES:
                yield f"{node.lineno}: [{constant(node.slice)}] ="
            case ast.Call(func=ast.Attribute(attr="retry")):
                yield f"{node.lineno}: .retry("
            case ast.Call(func=ast.Name(id="Retry") | ast.Attribute(attr="Retry")) if has_a_time(node):
                yield f"{node.lineno}: Retry(when=)"


def constant(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def has_a_time(call: ast.Call) -> bool:
    return len(call.args) > RETRY_ARGUMENTS or any(keyword.arg == "when" for keyword in call.keywords)


@pytest.mark.parametrize(
    "code",
    [
        "task.apply_async((1,), countdown=5)",
        "task.apply_async((1,), **{'eta': soon})",
        "signature.set(eta=soon)",
        "headers['eta'] = soon",
        "self.retry(queue='free.groq')",
        "raise Retry('later', None, soon)",
        "raise exceptions.Retry(when=soon)",
        "@app.task(autoretry_for=(ValueError,))\ndef work(): ...",
    ],
)
def test_a_delay_is_found(code: str) -> None:
    assert len(list(delays(ast.parse(code)))) == 1


def test_no_code_of_ours_asks_celery_to_do_something_later(repository: Path) -> None:
    files = [path for room in ("pool_client", "pool_worker") for path in (repository / room).rglob("*.py")]
    found = {
        path.relative_to(repository).as_posix(): places
        for path in [*files, repository / "beat_schedule.py"]
        if (places := list(delays(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert len(files) > 100
    assert found == {}


queues = st.one_of(
    st.builds(entry_queue, st.sampled_from(Tier)),
    st.builds(provider_queue, st.sampled_from(Tier), st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True)),
)


@given(job_id=st.from_regex(r"[\w-]{1,64}", fullmatch=True), queue=queues, priority=st.sampled_from(Priority))
@settings(deadline=None, derandomize=True)
def test_no_message_of_a_job_has_a_time(job_id: str, queue: str, priority: Priority) -> None:
    headers = json.loads(render_message(job_id, queue=queue, priority=priority, origin=origin()))["headers"]
    assert (headers["eta"], headers["retries"]) == (None, 0)


def test_no_tick_has_a_time(redis_url: str, redis_client: redis.Redis) -> None:
    with PoolApp(Settings(redis_url=redis_url, _env_file=None)) as app:
        for entry in BEAT_SCHEDULE.values():
            app.send_task(entry["task"], **entry["options"])
    sent = [json.loads(text)["headers"] for text in redis_client.lrange(MAINTENANCE_QUEUE, 0, -1)]
    assert {headers["task"] for headers in sent} == {entry["task"] for entry in BEAT_SCHEDULE.values()}
    assert {(headers["eta"], headers["retries"]) for headers in sent} == {(None, 0)}
