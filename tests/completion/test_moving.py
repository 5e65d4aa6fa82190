"""A job whose capacity is served by other workers goes to their queue, under its id, with its priority and its trail."""

from __future__ import annotations

from small_worker import SmallWorker

from pool_client import JobState
from pool_client.queues import list_name
from pool_worker.completion.work import MAX_HOPS
from pool_worker.ledger.rows import AttemptRow, JobRow


def serve(worker: SmallWorker, *queues: str) -> None:
    worker.pool.served_queues = frozenset(queues)


def test_it_moves_to_the_queue_of_the_first_that_has_capacity(worker: SmallWorker) -> None:
    serve(worker, "free")
    job = worker.submit(priority="high")
    assert worker.complete() == "moved to free.groq"
    assert worker.requests() == 0
    assert worker.redis.llen(list_name("free.groq", 3)) == 1, "with its priority"
    status = job.status()
    assert (status.state, status.queue, status.hops) == (JobState.QUEUED, "free.groq", 1)
    assert worker.nothing_is_held()

    serve(worker, "free.groq")
    worker.complete()
    moved, answered = job.result(timeout=5).attempts
    assert (moved.outcome, moved.queue, moved.reason) == ("moved", "free", "capacity is free at free.groq")
    assert (answered.outcome, answered.queue, answered.key_id) == ("ok", "free.groq", "groq#1")
    assert [row.outcome for row in worker.rows(AttemptRow)] == ["moved", "ok"]
    assert [(row.attempts, row.hops) for row in worker.rows(JobRow)] == [(1, 1)]


def test_what_can_be_called_in_place_costs_no_hop(worker: SmallWorker) -> None:
    serve(worker, "free", "free.groq", "free.cerebras")
    worker.simulator.fault("groq", "down")
    job = worker.submit()
    worker.complete()
    assert [attempt.outcome for attempt in job.result(timeout=5).attempts] == ["ProviderOverloadedError", "ok"]


def test_a_failed_call_moves_the_job_on_with_its_trail(worker: SmallWorker) -> None:
    serve(worker, "free", "free.groq")
    worker.simulator.fault("groq", "down")
    job = worker.submit()
    assert worker.complete() == "moved to free.cerebras"
    assert [attempt.outcome for attempt in job.status().attempts] == ["ProviderOverloadedError", "moved"]

    serve(worker, "free.cerebras")
    worker.complete()
    result = job.result(timeout=5)
    assert [attempt.number for attempt in result.attempts] == [1, 2, 3]
    assert result.provider == "cerebras"


def test_a_job_that_only_travels_rests(worker: SmallWorker) -> None:
    serve(worker, "free")
    job = worker.submit()
    for _ in range(MAX_HOPS):
        assert worker.complete() == "moved to free.groq"
    assert worker.complete() == f"parked: capacity was gone after {MAX_HOPS} hops"
    assert 0 < worker.waits_s(job) <= 1
    worker.wake(job)
    assert worker.complete() == "moved to free.groq", "and then it travels on"
