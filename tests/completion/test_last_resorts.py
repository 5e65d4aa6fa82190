"""What a job has that would rather have a lesser answer than wait or fail, in the order in which it has it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_worker import FREE_MODELS, SmallWorker

from pool_client import FailoverError, JobHandle, ModelUnavailableError, Result, Tier
from pool_worker.ledger.rows import JobRow
from pool_worker.limits.holds import hold, provider_scope
from pool_worker.registry import Failover

NO_ROUNDS = Failover(tiers=(Tier.FREE,), retry_attempts=0, fallback_model="openai-small")
LIVELY = {"temperature": 0.9}


@pytest.fixture
def worker_at_home(worker: SmallWorker) -> SmallWorker:
    """Three free providers; the paid one is the fallback, a local one is there."""
    providers = worker.pool.registry.providers
    worker.configure(failover=NO_ROUNDS, providers={**providers, "ollama": replace(providers["ollama"], enabled=True)})
    worker.pool.served_queues |= {"local.ollama"}
    return worker


def breaks_down(worker: SmallWorker, *providers: str) -> None:
    for provider in providers:
        worker.simulator.fault(provider, "down")


def is_spent(worker: SmallWorker) -> None:
    """Nobody of the free tier has quota for a minute."""
    for provider in ("groq", "cerebras", "mistral"):
        worker.run(hold(worker.pool.redis, provider_scope(provider), ttl_ms=60_000, reason="spent"))


def fails(worker: SmallWorker) -> None:
    breaks_down(worker, "groq", "cerebras", "mistral")


def kept_from(worker: SmallWorker, model: str, **options: object) -> Result:
    """An answer that somebody wanted kept."""
    job = worker.submit(model=model, cache=True, **(LIVELY | options))
    worker.complete()
    return job.result(timeout=5)


def degraded(worker: SmallWorker, **options: object) -> Result:
    job = worker.submit(on_exhausted="degrade", **options)
    worker.complete()
    return job.result(timeout=5)


@pytest.mark.parametrize("meets", [is_spent, fails])
@pytest.mark.parametrize("model", ["groq-small", "mistral-small", "openai-small", "ollama-small"])
def test_the_answer_that_is_kept_comes_first(worker_at_home: SmallWorker, meets: object, model: str) -> None:
    """Of any model that fits, also of one that failed just now; also for a job that usually would not have a kept answer."""
    worker = worker_at_home
    first = kept_from(worker, model)
    assert callable(meets)
    meets(worker)
    requests = worker.requests()
    result = degraded(worker, **LIVELY)
    assert (result.content, result.model_id, result.cached, result.degraded) == (first.content, model, True, True)
    assert (result.cost_usd, result.usage.total_tokens) == (0, 0)
    assert worker.requests() - requests == len(result.attempts) == (3 if meets is fails else 0)
    assert [(row.cached, row.degraded) for row in worker.rows(JobRow)] == [(False, False), (True, True)]
    assert worker.nothing_is_held()


@pytest.mark.parametrize(
    "other",
    [{"cache": False}, {"temperature": 0.8}, {"excluded_providers": ["groq"]}],
    ids=["it wants none", "another question", "not of this one"],
)
def test_a_kept_answer_that_is_not_for_the_job_is_left_where_it_is(worker_at_home: SmallWorker, other: dict) -> None:
    kept_from(worker_at_home, "groq-small")
    is_spent(worker_at_home)
    result = degraded(worker_at_home, **(LIVELY | other))
    assert (result.model_id, result.cached, result.degraded) == ("openai-small", False, True)


def test_who_would_rather_wait_has_no_kept_answer_of_this_sort(worker_at_home: SmallWorker) -> None:
    kept_from(worker_at_home, "groq-small")
    is_spent(worker_at_home)
    worker_at_home.submit(**LIVELY)
    assert worker_at_home.complete() == "parked: groq-small: spent"


@pytest.mark.parametrize("meets", [is_spent, fails])
@pytest.mark.parametrize(
    ("broken", "answers"),
    [
        ([], "openai-small"),
        (["openai"], "ollama-small"),
        (["openai", "ollama"], "none"),
    ],
)
def test_then_come_the_fallback_model_and_local_ones_and_then_guidance(
    worker_at_home: SmallWorker, meets: object, broken: list[str], answers: str
) -> None:
    worker = worker_at_home
    assert callable(meets)
    meets(worker)
    breaks_down(worker, *broken)
    result = degraded(worker)
    assert (result.model_id, result.cached, result.degraded) == (answers, False, True)
    tried = [*(FREE_MODELS if meets is fails else ()), *(f"{name}-small" for name in broken)]
    assert [attempt.model_id for attempt in result.attempts if attempt.outcome != "ok"] == tried, "each once"
    assert worker.nothing_is_held()


def test_guidance_says_what_the_job_would_have_failed_with_and_is_not_kept(worker_at_home: SmallWorker) -> None:
    fails(worker_at_home)
    breaks_down(worker_at_home, "openai", "ollama")
    result = degraded(worker_at_home, temperature=0.0)
    assert result.content.startswith("No language model could answer: every candidate failed (groq-small: Provider")
    assert "not written by a model" in result.content
    assert not list(worker_at_home.redis.scan_iter("pool:cache:*"))


def test_the_rounds_come_before_anything_less(worker_at_home: SmallWorker) -> None:
    worker_at_home.configure(failover=replace(NO_ROUNDS, retry_attempts=1))
    fails(worker_at_home)
    job = worker_at_home.submit(on_exhausted="degrade")
    assert worker_at_home.complete() == "parked: every candidate has failed"
    worker_at_home.time_passes()
    worker_at_home.wake(job)
    assert worker_at_home.complete() == "succeeded on openai-small after 7 call(s)"


def test_a_job_that_has_made_all_its_calls_in_vain_may_still_ask_a_stand_in(worker_at_home: SmallWorker) -> None:
    worker_at_home.configure(failover=replace(NO_ROUNDS, max_attempts=2))
    fails(worker_at_home)
    breaks_down(worker_at_home, "openai")
    result = degraded(worker_at_home)
    assert [attempt.model_id for attempt in result.attempts] == ["groq-small", "cerebras-small", "openai-small", "ollama-small"]
    assert (result.model_id, result.degraded) == ("ollama-small", True)


def test_a_stand_in_has_one_call_to_answer_however_many_keys_it_has(worker_at_home: SmallWorker) -> None:
    worker_at_home.configure(failover=Failover(tiers=(Tier.PAID,), retry_attempts=0, fallback_model="groq-small"))
    breaks_down(worker_at_home, "openai")
    worker_at_home.simulator.fault("groq", "unauthorized")
    result = degraded(worker_at_home, tier="paid")
    assert [attempt.key_id for attempt in result.attempts] == ["openai#1", "groq#1", "ollama"]


def test_when_every_key_is_refused_too(worker_at_home: SmallWorker) -> None:
    for provider in ("groq", "cerebras", "mistral", "openai"):
        worker_at_home.simulator.fault(provider, "unauthorized")
    breaks_down(worker_at_home, "ollama")
    result = degraded(worker_at_home, excluded_providers=["ollama"])
    assert result.content.startswith("No language model could answer: no key was accepted (groq-small: Auth")
    assert (result.model_id, result.degraded) == ("none", True)


@pytest.mark.parametrize("options", [{"model": "nonesuch"}, {"required_capabilities": ["smell"]}])
def test_what_nobody_could_ever_answer_fails(worker_at_home: SmallWorker, options: dict) -> None:
    job = worker_at_home.submit(on_exhausted="degrade", **options)
    worker_at_home.complete()
    with pytest.raises(ModelUnavailableError):
        job.result(timeout=5)


def test_who_asks_for_nothing_less_is_told_why(worker_at_home: SmallWorker) -> None:
    kept_from(worker_at_home, "groq-small")
    told: list[JobHandle] = []
    for on_exhausted in ("park", "fail"):
        fails(worker_at_home)
        told.append(worker_at_home.submit(on_exhausted=on_exhausted, **LIVELY))
        worker_at_home.complete()
        worker_at_home.time_passes()
    for job in told:
        with pytest.raises(FailoverError, match="every candidate failed"):
            job.result(timeout=5)


@pytest.mark.parametrize("meets", [is_spent, fails])
def test_a_stand_in_that_other_workers_serve_is_moved_to(worker_at_home: SmallWorker, meets: object) -> None:
    worker = worker_at_home
    worker.configure(failover=replace(NO_ROUNDS, fallback_model=None))
    everywhere = worker.pool.served_queues
    worker.pool.served_queues = everywhere - {"local.ollama"}
    assert callable(meets)
    meets(worker)
    job = worker.submit(on_exhausted="degrade")
    assert worker.complete() == "moved to local.ollama"
    worker.pool.served_queues = everywhere
    assert worker.complete().startswith("succeeded on ollama-small")
    assert job.result(timeout=5).degraded
