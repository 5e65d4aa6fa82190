"""A critical job whose call takes longer than most gets a second one elsewhere; whoever answers first is taken."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from small_worker import SmallWorker

from pool_client import JobHandle
from pool_client.errors import JobCancelledError
from pool_worker.ledger.rows import AttemptRow
from pool_worker.registry import HedgingRules, PoolRules

P95_MS = 30
SLOW_S = 4
"""Longer than any test waits: the call is broken off before."""


@pytest.fixture
def hedging(worker: SmallWorker) -> SmallWorker:
    """One call may be hedged, and groq is known to answer soon."""
    worker.configure(rules=PoolRules(hedging=HedgingRules(enabled=True)))
    worker.has_taken_ms("groq-small", P95_MS)
    worker.pool.hedges_saved = 1
    return worker


def critical(worker: SmallWorker, **options: Any) -> JobHandle:
    """On the free tier: critical jobs would go to the paid one first."""
    return worker.submit(**({"priority": "critical", "max_tokens": 50, "excluded_providers": ["openai"]} | options))


def steps(job: JobHandle) -> list[tuple[str | None, str]]:
    return [(attempt.provider, attempt.outcome) for attempt in job.result(timeout=5).attempts]


def test_who_is_slow_gets_company_and_the_first_answer_counts(hedging: SmallWorker) -> None:
    hedging.simulator.fault("groq", "slow", delay_s=SLOW_S)
    job = critical(hedging)
    assert hedging.complete().startswith("succeeded on cerebras-small after 2 call(s)")
    assert steps(job) == [("groq", "AbandonedError"), ("cerebras", "ok")]
    assert [row.outcome for row in hedging.rows(AttemptRow)] == ["AbandonedError", "ok"]
    assert hedging.nothing_is_held()
    broken_off, _ = job.result(0).attempts
    assert broken_off.usage.output_tokens == 50, "it may have been done all the same"
    assert broken_off.latency_ms >= 0.8 * P95_MS
    assert broken_off.reason == "another call brought the answer first"
    assert "failed" not in str(job.result(0).selection)
    assert "its call was given up: another call brought the answer first" in str(job.result(0).selection)
    assert hedging.held() == {}, "nobody is to blame"


def test_the_first_may_still_win(hedging: SmallWorker) -> None:
    hedging.simulator.fault("groq", "slow", delay_s=0.3)
    hedging.simulator.fault("cerebras", "slow", delay_s=SLOW_S)
    job = critical(hedging)
    hedging.complete()
    assert steps(job) == [("cerebras", "AbandonedError"), ("groq", "ok")]
    assert hedging.nothing_is_held()


def test_when_one_fails_the_other_is_waited_for(hedging: SmallWorker) -> None:
    providers = hedging.pool.registry.providers
    hedging.configure(providers={**providers, "groq": replace(providers["groq"], timeout_s=0.1)})
    hedging.simulator.fault("groq", "hang")
    hedging.simulator.fault("cerebras", "slow", delay_s=0.3)
    job = critical(hedging)
    hedging.complete()
    assert steps(job) == [("groq", "ProviderFailedError"), ("cerebras", "ok")]


def test_when_both_fail_the_job_goes_on(hedging: SmallWorker) -> None:
    providers = hedging.pool.registry.providers
    hedging.configure(providers={**providers, "groq": replace(providers["groq"], timeout_s=0.1)})
    hedging.simulator.fault("groq", "hang")
    hedging.simulator.fault("cerebras", "status", status=503)
    job = critical(hedging)
    hedging.complete()
    assert sorted(steps(job)[:2]) == [("cerebras", "ProviderOverloadedError"), ("groq", "ProviderFailedError")]
    assert steps(job)[2:] == [("mistral", "ok")]


def test_both_are_broken_off_when_the_job_is_cancelled(hedging: SmallWorker) -> None:
    hedging.simulator.fault("groq", "slow", delay_s=SLOW_S)
    hedging.simulator.fault("cerebras", "slow", delay_s=SLOW_S)
    job = critical(hedging)

    async def scenario() -> None:
        it = hedging.claim()
        task = asyncio.create_task(hedging.work_on(it))
        while await asyncio.to_thread(hedging.in_flight) < 2:
            pass
        hedging.pool.under_way.cancel(job.id)
        await task

    hedging.run(scenario())
    with pytest.raises(JobCancelledError) as ended:
        job.result(timeout=5)
    assert [attempt.outcome for attempt in ended.value.failure.attempts] == ["AbandonedError"] * 2
    assert hedging.nothing_is_held()


@pytest.mark.parametrize("options", [{"priority": "high"}, {"stream": True, "max_tokens": 5}, {"model": "groq-small"}])
def test_other_jobs_are_never_hedged(hedging: SmallWorker, options: dict[str, Any]) -> None:
    hedging.simulator.fault("groq", "slow", delay_s=0.2)
    job = critical(hedging, **options)
    hedging.complete()
    assert steps(job) == [("groq", "ok")]


@pytest.mark.parametrize("why", ["off", "unknown", "spent", "nobody"])
def test_nor_are_critical_ones_without_leave_or_reason(hedging: SmallWorker, why: str) -> None:
    match why:
        case "off":
            hedging.configure(rules=PoolRules())
        case "unknown":
            hedging.redis.flushall()
            hedging.look_around()
            hedging.enroll()
        case "spent":
            hedging.pool.hedges_saved = 0
        case "nobody":
            hedging.pool.served_queues = frozenset({"free", "free.groq"})
    hedging.simulator.fault("groq", "slow", delay_s=0.2)
    job = critical(hedging)
    hedging.complete()
    assert steps(job) == [("groq", "ok")]


def test_of_twenty_critical_jobs_one_may_be_hedged(hedging: SmallWorker) -> None:
    hedging.pool.hedges_saved = 0
    hedging.has_taken_ms("groq-small", 10_000)
    for _ in range(20):
        critical(hedging)
        hedging.complete()
    assert hedging.pool.hedges_saved == pytest.approx(1)


def test_the_share_is_read_from_the_configuration(hedging: SmallWorker) -> None:
    hedging.configure(rules=PoolRules(hedging=HedgingRules(enabled=True, max_share=Decimal("0.5"))))
    hedging.pool.hedges_saved = 9.8
    critical(hedging)
    hedging.complete()
    assert hedging.pool.hedges_saved == 10, "not all of them at once"
