"""When whoever could answer is left alone after failures: what a job that does not wait is told, of each model."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from small_worker import FREE_MODELS, SmallWorker

from pool_client import CompletionError, FailoverError, ProviderError, RateLimitError, Tier
from pool_client.job import Failure
from pool_worker.errors import BillingError, ModelGoneError
from pool_worker.health import reason_of
from pool_worker.limits.holds import group_scope, hold, model_scope
from pool_worker.registry import Failover, Period, Unit, Window, WindowKind

FREE_ONLY = Failover(tiers=(Tier.FREE,), retry_attempts=0)
TIME = r"\d\d:\d\d:\d\d UTC"
LEFT_ALONE = rf"left alone after failures until {TIME} \(ProviderOverloadedError: {{}} answered 503: Service Unavailable\)"


def held(worker: SmallWorker, *providers: str) -> None:
    """They are down, and a job has found it out."""
    worker.configure(failover=FREE_ONLY)
    for provider in providers:
        worker.simulator.fault(provider, "down")
    worker.submit()
    worker.complete()
    worker.simulator.clear_faults()


def failure_of(worker: SmallWorker, kind: type[CompletionError], **options: object) -> Failure:
    job = worker.submit(**({"on_exhausted": "fail"} | options))
    worker.complete()
    with pytest.raises(kind) as caught:
        job.result(timeout=5)
    assert caught.value.failure is not None
    return caught.value.failure


def test_no_quota_is_said_to_be_spent_where_everybody_is_left_alone(worker: SmallWorker) -> None:
    held(worker, "groq", "cerebras", "mistral")
    failure = failure_of(worker, ProviderError)
    assert failure.message.startswith("every model is left alone after failures (groq-small: left alone")
    assert list(failure.reasons) == list(FREE_MODELS)
    for model, reason in failure.reasons.items():
        assert re.fullmatch(LEFT_ALONE.format(model.removesuffix("-small")), reason)
    assert failure.attempted_models == []
    assert failure.retryable
    assert failure.retry_after_s == pytest.approx(5, abs=1)


def test_each_model_has_its_own_reason(worker: SmallWorker) -> None:
    registry = worker.pool.registry
    one_a_minute = (Window(Unit.REQUESTS, 1, Period.MINUTE, WindowKind.SLIDING),)
    worker.configure(providers={**registry.providers, "cerebras": replace(registry.providers["cerebras"], limits=one_a_minute)})
    worker.submit(model="cerebras-small")
    worker.complete()
    held(worker, "groq", "cerebras")
    gone = reason_of(ModelGoneError("no such model"))
    worker.run(hold(worker.pool.redis, model_scope("mistral", "small"), ttl_ms=3 * 86_400_000, reason=gone))

    failure = failure_of(worker, RateLimitError)
    assert failure.message.startswith("no model is free (groq-small: left alone after failures until ")
    assert set(failure.reasons) == set(FREE_MODELS)
    assert re.fullmatch(rf"cerebras#1 has no requests per minute left until {TIME}", failure.reasons["cerebras-small"])
    day = r"left alone after failures until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(ModelGoneError: no such model\)"
    assert re.fullmatch(day, failure.reasons["mistral-small"])


def test_a_quota_that_the_provider_says_is_spent_is_a_quota(worker: SmallWorker) -> None:
    worker.simulator.fault("mistral", "status", status=429, retry_after_s=50)
    worker.submit(model="mistral-small")
    worker.complete()
    failure = failure_of(worker, RateLimitError, model="mistral-small")
    assert failure.message.startswith("every quota is spent (mistral-small: the quota of mistral#1 is spent until ")
    assert failure.retry_after_s == pytest.approx(50, abs=1)


def test_an_account_without_credit_is_told_with_its_key(worker: SmallWorker) -> None:
    reason = reason_of(BillingError("pay first"))
    worker.run(hold(worker.pool.redis, group_scope("mistral", "mistral#1"), ttl_ms=5000, reason=reason))
    failure = failure_of(worker, ProviderError, model="mistral-small")
    said = failure.reasons["mistral-small"]
    assert re.fullmatch(rf"mistral#1 is left alone after failures until {TIME} \(BillingError: pay first\)", said)


def test_the_reasons_of_calls_that_failed_stand_beside_those_of_who_is_left_alone(worker: SmallWorker) -> None:
    held(worker, "groq", "cerebras")
    worker.configure(failover=replace(FREE_ONLY, retry_attempts=1))
    worker.simulator.fault("mistral", "down")
    job = worker.submit(on_exhausted="fail")
    worker.complete()
    worker.wake(job)
    worker.complete()
    with pytest.raises(CompletionError) as caught:
        job.result(timeout=5)
    failure = caught.value.failure
    assert failure is not None
    assert failure.attempted_models == ["mistral-small"]
    assert set(failure.reasons) == set(FREE_MODELS)
    for model in FREE_MODELS:
        assert f"{model}: left alone" in failure.message


def test_a_job_whose_every_call_failed_says_so(worker: SmallWorker) -> None:
    worker.configure(failover=FREE_ONLY)
    for provider in ("groq", "cerebras", "mistral"):
        worker.simulator.fault(provider, "down")
    assert failure_of(worker, FailoverError).message.startswith("every candidate failed (groq-small: ProviderOverloadedError")


def test_guidance_says_it_too(worker: SmallWorker) -> None:
    held(worker, "groq", "cerebras", "mistral")
    job = worker.submit(on_exhausted="degrade")
    worker.complete()
    content = job.result(timeout=5).content
    assert "every model is left alone after failures (groq-small: " in content
    assert "quota" not in content


def test_a_job_that_waits_is_parked_for_the_first_that_is_back(worker: SmallWorker) -> None:
    held(worker, "groq", "cerebras", "mistral")
    job = worker.submit()
    assert worker.complete().startswith("parked: groq-small: ProviderOverloadedError: ")
    assert worker.waits_s(job) == pytest.approx(5, abs=1)
