"""What Celery does after a task: callbacks, chains and errbacks also follow our tasks, which are coroutines."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from at_work import Running, Start, held_up, until
from celery import Signature, group
from kombu import Exchange, Queue

from pool_client.queues import TASK_NAME, list_name
from pool_worker.app import app
from pool_worker.broker.sequel import sequel_of
from pool_worker.tasks import complete

ELSEWHERE = "a-queue-of-the-users"


@pytest.fixture(scope="module", autouse=True)
def _queue_of_the_users(running: Running) -> None:
    """As their own worker declares it."""
    with running.app.connection() as connection:
        Queue(ELSEWHERE, Exchange(ELSEWHERE), routing_key=ELSEWHERE)(connection).declare()


def then(running: Running, task: str) -> Signature:
    """A task of somebody else's worker: those of the pool know nothing of it but where it is to go."""
    return running.app.signature(task, exchange=ELSEWHERE, routing_key=ELSEWHERE, app=running.app)


def sent_on(running: Running, count: int) -> dict[str, list[Any]]:
    """Names and arguments of the tasks that were sent on."""
    until(lambda: running.redis.llen(ELSEWHERE) == count)
    messages = [json.loads(text) for text in running.redis.lrange(ELSEWHERE, 0, -1)]
    running.redis.delete(ELSEWHERE)
    return {each["headers"]["task"]: json.loads(base64.b64decode(each["body"]))[0] for each in messages}


@pytest.fixture
def answered(running: Running) -> str:
    """Id of a job that has been answered."""
    job = running.pool.submit("Which line is odd?")
    job.result(timeout=20)
    until(running.at_rest)
    return job.id


def test_the_rest_of_a_chain_gets_the_jobs_id(running: Running, answered: str) -> None:
    first = running.app.signature(TASK_NAME, args=(answered,), queue="free", app=running.app)
    (first | then(running, "next")).apply_async()
    assert sent_on(running, 1) == {"next": [answered]}


def test_so_do_callbacks_and_groups_of_them(running: Running, answered: str) -> None:
    both = group(then(running, "one"), then(running, "two"), app=running.app)
    running.app.send_task(TASK_NAME, args=(answered,), queue="free", link=[both, then(running, "three")])
    assert sent_on(running, 3) == {"one": [answered], "two": [answered], "three": [answered]}


def test_errbacks_hear_of_a_job_without_an_answer_and_callbacks_do_not(running: Running) -> None:
    with held_up(running.worker_pid):
        job = running.pool.submit("Which line is odd?", model="nobody")
        running.redis.delete(list_name("free", 6))  # in place of its own message comes one with a sequel
        sequel = {"link": [then(running, "good")], "link_error": [then(running, "bad")]}
        running.app.send_task(TASK_NAME, task_id=job.id, args=(job.id,), queue="free", priority=6, **sequel)
    assert sent_on(running, 1) == {"bad": [job.id]}


def test_a_sequel_that_cannot_be_sent_is_the_tasks_failure() -> None:
    task = app.tasks[complete.name]
    request = {"args": ["j"], "kwargs": {}, "id": "j", "delivery_info": {}}
    lost = {"task": "next", "args": [], "kwargs": {}, "options": {"queue": "nowhere"}, "subtask_type": None, "immutable": False}
    body = json.dumps([["j"], {}, {"callbacks": None, "errbacks": None, "chain": [lost], "chord": None}])
    sequel = sequel_of(task, "j", request, body)
    assert sequel is not None
    ended: list[Any] = []
    with pytest.warns(RuntimeWarning, match="nowhere"):  # Celery's own
        sequel.before(ended.append)((False, "j", 0.1))
    ((failed, raised, _),) = ended
    assert failed
    assert "nowhere" in str(raised.exception)


def test_a_chords_body_gets_the_ids_when_all_its_jobs_have_ended(running: Running, answered: str, start_python: Start) -> None:
    program = start_python("users_chord", running.url, answered, ELSEWHERE)
    assert sent_on(running, 1) == {"collect": [[answered] * 3]}
    program.communicate(timeout=20)


def test_most_messages_have_no_sequel() -> None:
    task = app.tasks[complete.name]
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    assert sequel_of(task, "j", {}, json.dumps([["j"], {}, embed])) is None
    for name in embed:
        assert sequel_of(task, "j", {}, json.dumps([["j"], {}, embed | {name: {"task": "sum"}}])) is not None
