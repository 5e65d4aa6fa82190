"""Flower with the project's app: what it shows, and what it must not show."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from at_work import PASSWORD, Running, held_up, python_processes, until

from pool_client.errors import ModelUnavailableError
from pool_worker.embedded_redis import free_port

MARKER = "the-secret-of-the-prompt"
SIMULATED_KEYS = "sim-cerebras-"
MISTRAL_MODEL = "mistral_small"


@pytest.fixture(scope="module")
def flower(running: Running) -> Iterator[httpx2.Client]:
    """Flower's pages, and its API, which is open only when asked for; it has seen a job that was answered and one that failed."""
    port = free_port()
    module = ("pool_worker.cli.main", "flower", "--port", str(port))
    with (
        python_processes() as start,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client,
    ):
        start(*module, **running.environment, FLOWER_UNAUTHENTICATED_API="1")
        until(lambda: answers(client))
        until(lambda: hears_of_jobs(client, running))
        failed = running.pool.submit(f"{MARKER}?", model="nobody")
        with pytest.raises(ModelUnavailableError):
            failed.result(timeout=20)
        until(lambda: "FAILURE" in states(client))
        yield client


def answers(flower: httpx2.Client) -> bool:
    try:
        return flower.get("/healthcheck").is_success
    except httpx2.TransportError:
        return False


def hears_of_jobs(flower: httpx2.Client, running: Running) -> bool:
    """Workers send events from the moment when Flower has asked for them, a few seconds after its start."""
    running.pool.submit(f"{MARKER}!").result(timeout=20)
    return "SUCCESS" in states(flower)


def tasks(flower: httpx2.Client) -> list[dict]:
    """The tasks that it knows, but for one that was under way when the first events were sent: that has no name."""
    return [task for task in flower.get("/api/tasks").json().values() if task["name"]]


def states(flower: httpx2.Client) -> set[str]:
    return {task["state"] for task in tasks(flower)}


def test_it_shows_each_job_with_its_state_and_runtime(flower: httpx2.Client) -> None:
    shown = tasks(flower)
    assert all(task["args"] == repr((task["uuid"],)) and task["kwargs"] == "{}" for task in shown)
    answered = next(task for task in shown if task["state"] == "SUCCESS")
    assert answered["result"].startswith("succeeded on ")
    assert 0 < answered["runtime"] < 20
    failed = next(task for task in shown if task["state"] == "FAILURE")
    assert failed["exception"] == "NoAnswerError('ModelUnavailableError')"


def test_beats_tasks_do_not_hide_the_jobs(flower: httpx2.Client, running: Running) -> None:
    def ticks() -> int:
        (stats,) = running.app.control.inspect(timeout=5, limit=1).stats().values()
        return stats["total"]["pool.write_ledger"]

    before = ticks()
    until(lambda: ticks() > before)
    assert {task["name"] for task in tasks(flower)} == {"pool.complete"}


def test_a_job_that_waits_is_shown_as_one_that_comes_back(flower: httpx2.Client, running: Running) -> None:
    running.simulator.fault("mistral", "down")
    job = running.pool.submit(MARKER, model=MISTRAL_MODEL)
    until(lambda: "RETRY" in states(flower))
    running.simulator.clear_faults()
    (waiting,) = (task for task in tasks(flower) if task["state"] == "RETRY")
    assert waiting["uuid"] == job.id
    assert waiting["exception"].startswith("NotYetError('parked: ")
    job.cancel()


def test_it_shows_the_workers(flower: httpx2.Client) -> None:
    (worker,) = flower.get("/api/workers", params={"refresh": "1"}).json().values()
    assert worker["stats"]["pool"]["implementation"] == "pool_worker.broker.asyncio_pool:TaskPool"
    assert {"free", "free.groq", "maintenance"} <= {queue["name"] for queue in worker["active_queues"]}
    (row,) = flower.get("/workers", params={"json": "1"}).json()["data"]
    assert row["status"] is True
    assert row["task-succeeded"] >= 1


def test_it_shows_how_many_jobs_wait_whatever_their_priority(flower: httpx2.Client, running: Running) -> None:
    with held_up(running.worker_pid):
        waiting = [running.pool.submit(MARKER, priority=priority) for priority in ("low", "normal", "high", "critical")]
        lengths = {queue["name"]: queue["messages"] for queue in flower.get("/api/queues/length").json()["active_queues"]}
    assert lengths["free"] == len(waiting)
    for job in waiting:
        job.result(timeout=20)


def test_nothing_it_shows_holds_a_prompt_a_key_or_the_password_of_redis(flower: httpx2.Client) -> None:
    (name,) = flower.get("/api/workers").json()
    ids = [task["uuid"] for task in tasks(flower)]
    pages = ["/", "/workers?json=1", f"/worker/{name}", "/tasks", "/broker", "/metrics", "/api/workers?refresh=1", "/api/tasks"]
    pages += [
        "/tasks/datatable?draw=1&start=0&length=100&search[value]=&order[0][column]=0&order[0][dir]=asc&columns[0][data]=name"
    ]
    pages += [f"{path}/{task_id}" for path in ("/task", "/api/task/info") for task_id in ids]
    texts = {page: flower.get(page).raise_for_status().text for page in pages}
    assert "redbeat_redis_url" in texts[f"/worker/{name}"], "its settings are there"
    for secret in (MARKER, SIMULATED_KEYS, PASSWORD):
        assert [page for page, text in texts.items() if secret in text] == []
    assert flower.get(f"/api/task/result/{ids[0]}").is_error, "answers are not Flower's to show"
