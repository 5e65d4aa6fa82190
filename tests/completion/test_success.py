"""A job that succeeds: its result, its books, and nothing left behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import redis
from small_worker import MODELS, SmallWorker

from pool_client import JobState, Result
from pool_client import redis_keys as shared_keys
from pool_client.outcome import parse_outcome
from pool_worker import redis_keys
from pool_worker.ledger.rows import AttemptRow, JobRow
from pool_worker.registry import Period, Unit, Window, WindowKind
from pool_worker.simulator.answers import expected_digest

MODEL = MODELS[0]


def test_the_result_is_the_providers_answer_with_its_trail(worker: SmallWorker) -> None:
    job = worker.submit("Why did this fail?", max_tokens=30)
    assert worker.complete() == "succeeded on groq-small after 1 call(s)"

    result = job.result(timeout=5)
    assert result.content.startswith(f"echo {expected_digest('Why did this fail?')}")
    assert (result.model_id, result.provider, result.finish_reason) == ("groq-small", "groq", "length")
    assert (result.cached, result.degraded, result.cost_usd) == (False, False, 0)
    groq = worker.simulator.counts()["providers"]["groq"]
    assert (result.usage.input_tokens, result.usage.output_tokens) == (groq["input_tokens"], groq["output_tokens"])
    (attempt,) = result.attempts
    assert (attempt.number, attempt.outcome, attempt.key_id, attempt.queue) == (1, "ok", "groq#1", "free")
    assert attempt.usage == result.usage
    assert attempt.latency_ms == result.latency_ms > 0


def test_cost_is_the_price_of_the_tokens(worker: SmallWorker) -> None:
    job = worker.submit(tier="paid", max_tokens=30)
    worker.complete()
    result = job.result(timeout=5)
    assert result.provider == "openai"
    assert result.cost_usd == worker.bill_usd() > 0
    assert result.attempts[0].cost_usd == result.cost_usd


def test_the_books_have_the_attempt_and_the_job(worker: SmallWorker) -> None:
    job = worker.submit(tier="paid", max_tokens=30, task_type="analysis", priority="high")
    worker.complete()
    result = job.result(timeout=5)
    (attempt,), (ended,) = worker.rows(AttemptRow), worker.rows(JobRow)

    assert (attempt.attempt_id, attempt.job_id, attempt.outcome) == (result.attempts[0].id, job.id, "ok")
    assert (attempt.model_id, attempt.key_id, attempt.agent) == ("openai-small", "openai#1", "log_analyzer")
    assert attempt.error_message is None
    assert (ended.job_id, ended.state, ended.attempts, ended.hops) == (job.id, JobState.SUCCEEDED, 1, 0)
    assert ended.cost == attempt.cost == result.cost_usd
    assert (ended.input_tokens, ended.output_tokens) == (result.usage.input_tokens, result.usage.output_tokens)
    assert (ended.task_type, ended.priority, ended.model_id) == ("analysis", "high", "openai-small")


@pytest.mark.parametrize(("limit", "warning"), [(5, None), (4, None), (1, "groq#1: 100% of its requests per day are used")])
def test_the_caller_is_warned_of_a_quota_that_is_nearly_used_up(worker: SmallWorker, limit: int, warning: str | None) -> None:
    day = Window(Unit.REQUESTS, limit, Period.DAY, WindowKind.FIXED)
    (only,) = [key for key in worker.pool.registry.keys if key.id == "groq#1"]
    worker.configure(models={MODEL.id: replace(MODEL, limits=(day,))}, keys=(only,))
    job = worker.submit()
    worker.complete()
    assert job.result(timeout=5).quota_warning == warning


def test_the_warning_begins_at_three_quarters(worker: SmallWorker) -> None:
    day = Window(Unit.REQUESTS, 4, Period.DAY, WindowKind.FIXED)
    (only,) = [key for key in worker.pool.registry.keys if key.id == "groq#1"]
    worker.configure(models={MODEL.id: replace(MODEL, limits=(day,))}, keys=(only,))
    jobs = [worker.submit() for _ in range(4)]
    for _ in jobs:
        worker.complete()
    warned = [job.result(timeout=5).quota_warning for job in jobs]
    assert warned[:2] == [None, None]
    assert [warning and warning.partition(":")[2] for warning in warned[2:]] == [
        " 75% of its requests per day are used",
        " 100% of its requests per day are used",
    ]


def test_nothing_is_left_of_it_but_its_record_and_result_for_a_day(worker: SmallWorker) -> None:
    job = worker.submit()
    worker.complete()
    assert worker.nothing_is_held()
    record = worker.record(job)
    assert (record["state"], record["model_id"], record["worker"]) == ("succeeded", "groq-small", "small@test")
    for name in (shared_keys.job(job.id), shared_keys.result(job.id)):
        assert shared_keys.RESULT_TTL_MS - 10_000 < worker.redis.pttl(name) <= shared_keys.RESULT_TTL_MS
    assert worker.redis.zcard(redis_keys.in_flight("groq", "groq#1")) == 0


def test_who_waits_is_woken(worker: SmallWorker) -> None:
    job = worker.submit()
    with worker.redis.pubsub(ignore_subscribe_messages=True) as caller:
        caller.subscribe(shared_keys.result(job.id))
        caller.get_message(timeout=5)
        worker.complete()
        assert isinstance(parse_outcome(heard(caller)), Result)


def heard(caller: redis.client.PubSub) -> str:
    while not (message := caller.get_message(timeout=5)):
        pass
    return str(message["data"])


def test_calls_take_turns_among_the_keys_of_a_provider(worker: SmallWorker) -> None:
    jobs = [worker.submit() for _ in range(4)]
    for _ in jobs:
        worker.complete()
    assert [job.result(timeout=5).attempts[0].key_id for job in jobs] == ["groq#1", "groq#2"] * 2


def test_a_count_that_cannot_be_believed_is_estimated(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "wrong_usage")
    job = worker.submit("x" * 400, max_tokens=50)
    worker.complete()
    assert (job.result(timeout=5).usage.input_tokens, job.result().usage.output_tokens) == (104, 50)


def test_a_redis_that_was_emptied_is_told_the_keys_again(worker: SmallWorker) -> None:
    worker.redis.flushall()
    worker.submit()
    assert worker.complete().startswith("succeeded")


def test_others_get_ready_while_a_provider_is_asked(worker: SmallWorker) -> None:
    worker.pool.gate = asyncio.Semaphore(1)
    worker.simulator.fault("groq", "hang", count=1)
    job = worker.submit()
    seen = []

    def look_and_cancel(_: object) -> None:
        seen.append(worker.pool.gate.locked())
        job.cancel()

    worker.interrupt(look_and_cancel)
    assert seen == [False]
    assert not worker.pool.gate.locked()


def test_a_key_that_was_added_after_the_start_is_read_from_the_vault(worker: SmallWorker) -> None:
    worker.pool.secrets = {}
    job = worker.submit()
    worker.complete()
    assert [attempt.outcome for attempt in job.result(timeout=5).attempts] == ["ok"]
    assert worker.pool.secrets
