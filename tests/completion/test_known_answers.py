"""Answers that are known already, and jobs that ask the same at the same time."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import replace

import pytest
from small_worker import SmallWorker

from pool_client import JobHandle
from pool_worker import redis_keys as worker_keys
from pool_worker.completion import complete
from pool_worker.completion.capacity import route_of
from pool_worker.completion.trail import Trail
from pool_worker.ledger.rows import AttemptRow, JobRow
from pool_worker.registry import CacheRules

KNOWN = "succeeded on groq-small, which had answered it before"
SAME = {"temperature": 0.0, "max_tokens": 40}


def answered(worker: SmallWorker, prompt: str = "Why?", **options: object) -> JobHandle:
    job = worker.submit(prompt, **(SAME | options))
    worker.complete()
    return job


def test_the_same_question_is_answered_without_a_call(worker: SmallWorker) -> None:
    first = answered(worker).result(timeout=5)
    second = answered(worker).result(timeout=5)
    assert worker.requests() == 1
    assert (first.cached, second.cached) == (False, True)
    assert (second.content, second.model_id, second.finish_reason) == (first.content, first.model_id, first.finish_reason)
    assert (second.cost_usd, second.usage.total_tokens, second.attempts) == (0, 0, [])
    assert worker.nothing_is_held()
    assert [row.cached for row in worker.rows(JobRow)] == [False, True]
    assert len(worker.rows(AttemptRow)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "Why not?"},
        {"max_tokens": 41},
        {"seed": 1},
        {"stop": "x"},
        {"temperature": 0.1},
        {"temperature": None},
        {"cache": False},
        {"model": "cerebras-small"},
        {"excluded_providers": ["groq"]},
    ],
)
def test_another_question_is_not_the_same(worker: SmallWorker, other: dict[str, object]) -> None:
    answered(worker)
    assert not answered(worker, **other).result(timeout=5).cached  # type: ignore[arg-type]
    assert worker.requests() == 2


def test_who_asks_for_it_has_it_at_any_temperature(worker: SmallWorker) -> None:
    answered(worker, temperature=0.9, cache=True)
    assert answered(worker, temperature=0.9, cache=True).result(timeout=5).cached
    assert not answered(worker, temperature=0.9).result(timeout=5).cached


def test_an_answer_is_kept_for_its_time_and_the_least_used_goes(worker: SmallWorker) -> None:
    rules = worker.pool.registry.rules
    worker.pool.registry = replace(worker.pool.registry, rules=replace(rules, cache=CacheRules(ttl_s=60, max_entries=2)))
    for prompt in ("a", "b"):
        answered(worker, prompt)
    for number, name in enumerate(sorted(worker.redis.zrange(worker_keys.CACHE_USED, 0, -1))):
        worker.redis.zadd(worker_keys.CACHE_USED, {name: worker.redis_now_s() - 10 + number})
    (oldest, _), (newer, _) = worker.redis.zrange(worker_keys.CACHE_USED, 0, -1, withscores=True)
    answered(worker, "c")
    assert not worker.redis.exists(oldest)
    assert 0 < worker.redis.pttl(newer) <= 60_000
    assert worker.redis.zcard(worker_keys.CACHE_USED) == 2


def test_a_cache_that_is_broken_breaks_nothing(worker: SmallWorker) -> None:
    answered(worker)
    (entry,) = worker.redis.zrange(worker_keys.CACHE_USED, 0, -1)
    worker.redis.set(entry, "{nonsense")
    assert not answered(worker).result(timeout=5).cached
    worker.redis.delete(entry, worker_keys.CACHE_USED)
    worker.redis.rpush(entry, "of another type")
    worker.redis.rpush(worker_keys.CACHE_USED, "of another type")
    assert not answered(worker).result(timeout=5).cached
    assert worker.requests() == 3


def test_it_can_be_switched_off(worker: SmallWorker) -> None:
    rules = worker.pool.registry.rules
    worker.pool.registry = replace(worker.pool.registry, rules=replace(rules, cache=CacheRules(enabled=False)))
    answered(worker)
    assert not answered(worker).result(timeout=5).cached
    assert not list(worker.redis.scan_iter("pool:cache:*"))


def together(worker: SmallWorker, count: int) -> list[str]:
    """Work on so many jobs at the same time."""

    async def scenario() -> list[str]:
        claims = [worker.claim() for _ in range(count)]
        return await asyncio.gather(*(complete(it.task_id, it, worker.pool) for it in claims))

    return list(worker.run(scenario()))


def test_those_who_ask_at_the_same_time_make_one_call(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "slow", delay_s=0.2)
    jobs = [worker.submit("Why?", **SAME) for _ in range(12)]  # type: ignore[arg-type]
    became = together(worker, 12)
    assert worker.requests() == 1
    assert Counter(became) == {KNOWN: 11, "succeeded on groq-small after 1 call(s)": 1}
    assert len({job.result(timeout=5).content for job in jobs}) == 1
    assert not list(worker.redis.scan_iter("pool:flight:*"))


def test_when_the_leader_fails_another_one_asks(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "status", status=400, count=1, body={"error": {"message": "no"}})
    for _ in range(3):
        worker.submit("Why?", **SAME)  # type: ignore[arg-type]
    became = sorted(together(worker, 3))
    assert became[0].startswith("failed: InvalidRequestError")
    assert became[1:] == ["succeeded on groq-small after 1 call(s)", KNOWN]
    assert worker.requests() == 2


def test_a_dead_leader_is_not_waited_for_longer_than_a_deadline(worker: SmallWorker) -> None:
    leader = answered(worker)
    assert leader.result(timeout=5).model_id == "groq-small"
    (entry,) = worker.redis.zrange(worker_keys.CACHE_USED, 0, -1)
    worker.redis.delete(entry)
    question = entry.rpartition(":")[2]
    models = [
        it.model.id for it in route_of(worker.job(leader), Trail([], queue="free", now=worker.pool.now), worker.pool).choices
    ]
    flight = hashlib.sha256(" ".join([question, *sorted(models)]).encode()).hexdigest()
    worker.redis.set(worker_keys.flight(flight), "a job of a dead worker", px=60_000)
    job = answered(worker, deadline_s=0.3)
    assert job.status().state == "failed"
    assert worker.requests() == 1
