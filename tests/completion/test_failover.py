"""Each way in which a call can fail: who is left alone because of it, and where the job goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from small_worker import FREE_MODELS, SmallWorker

from pool_client import AuthenticationError, FailoverError, InvalidRequestError
from pool_worker.ledger.rows import AlertRow, AttemptRow, JobRow
from pool_worker.limits.holds import hold, provider_scope
from pool_worker.limits.usage import usage_now

AN_HOUR, A_DAY = 3600.0, 24 * 3600.0
SECOND_KEY, SECOND_MODEL = "groq#2", "cerebras#1"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A failure of the first call, which goes to groq#1."""

    fault: dict[str, Any]
    outcome: str
    held: dict[str, float]
    """Scope → seconds."""
    next_key: str
    alerts: bool = False
    charged: bool = False


def openai_error(message: str, code: str = "", kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}


CASES = {
    "the content is refused": Case(
        fault={"kind": "status", "status": 400, "body": openai_error("blocked", "content_policy_violation")},
        outcome="ContentRefusedError",
        held={},
        next_key=SECOND_MODEL,
    ),
    "the request is too large": Case(
        fault={"kind": "status", "status": 413, "retry_after_s": 60},
        outcome="RequestTooLargeError",
        held={},
        next_key=SECOND_MODEL,
    ),
    "the key is refused": Case(
        fault={"kind": "unauthorized", "key": "groq#1"},
        outcome="AuthenticationFailedError",
        held={"key:groq#1": AN_HOUR},
        next_key=SECOND_KEY,
        alerts=True,
    ),
    "a quota is spent": Case(
        fault={"kind": "status", "status": 429, "retry_after_s": 30},
        outcome="WindowSpentError",
        held={"group:groq:small:groq#1": 30},
        next_key=SECOND_KEY,
    ),
    "a quota is spent, nobody says until when": Case(
        fault={"kind": "status", "status": 429},
        outcome="WindowSpentError",
        held={"group:groq:small:groq#1": 60},
        next_key=SECOND_KEY,
    ),
    "the account has no credit": Case(
        fault={"kind": "status", "status": 402},
        outcome="BillingError",
        held={"group:groq:*:groq#1": AN_HOUR},
        next_key=SECOND_KEY,
        alerts=True,
    ),
    "the account may not use the model": Case(
        fault={"kind": "status", "status": 403, "body": openai_error("x", "model_permission_blocked_org")},
        outcome="ModelNotAllowedError",
        held={"group:groq:small:groq#1": A_DAY},
        next_key=SECOND_KEY,
        alerts=True,
    ),
    "the model is gone": Case(
        fault={"kind": "status", "status": 404, "body": openai_error("The model `small` does not exist", "model_not_found")},
        outcome="ModelGoneError",
        held={"model:groq:small": A_DAY},
        next_key=SECOND_MODEL,
        alerts=True,
    ),
    "the model is overloaded": Case(
        fault={"kind": "status", "status": 429, "body": openai_error("We're experiencing high traffic right now")},
        outcome="ModelOverloadedError",
        held={"model:groq:small": 5},
        next_key=SECOND_MODEL,
    ),
    "the provider is overloaded": Case(
        fault={"kind": "status", "status": 503},
        outcome="ProviderOverloadedError",
        held={"provider:groq": 5},
        next_key=SECOND_MODEL,
    ),
    "the provider is overloaded and says until when": Case(
        fault={"kind": "status", "status": 503, "retry_after_s": 20},
        outcome="ProviderOverloadedError",
        held={"provider:groq": 20},
        next_key=SECOND_MODEL,
    ),
    "the provider is down": Case(
        fault={"kind": "down"},
        outcome="ProviderOverloadedError",
        held={"provider:groq": 5},
        next_key=SECOND_MODEL,
    ),
    "the provider fails": Case(
        fault={"kind": "status", "status": 500},
        outcome="ProviderFailedError",
        held={"provider:groq": 2},
        next_key=SECOND_MODEL,
    ),
    "the connection is reset": Case(
        fault={"kind": "reset"},
        outcome="ProviderFailedError",
        held={"provider:groq": 2},
        next_key=SECOND_MODEL,
        charged=True,
    ),
    "no answer in time": Case(
        fault={"kind": "hang"},
        outcome="ProviderFailedError",
        held={"provider:groq": 2},
        next_key=SECOND_MODEL,
        charged=True,
    ),
    "garbage": Case(
        fault={"kind": "garbage"}, outcome="BadAnswerError", held={"provider:groq": 2}, next_key=SECOND_MODEL, charged=True
    ),
    "a web page": Case(
        fault={"kind": "html"}, outcome="BadAnswerError", held={"provider:groq": 2}, next_key=SECOND_MODEL, charged=True
    ),
    "half an answer": Case(
        fault={"kind": "cut"}, outcome="BadAnswerError", held={"provider:groq": 2}, next_key=SECOND_MODEL, charged=True
    ),
}


@pytest.fixture
def impatient(worker: SmallWorker) -> SmallWorker:
    """Groq is given a tenth of a second, for the tests in which it hangs."""
    providers = worker.pool.registry.providers
    worker.configure(providers={**providers, "groq": replace(providers["groq"], timeout_s=0.1)})
    return worker


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_failed_call_blames_whom_it_concerns_and_the_job_goes_on(impatient: SmallWorker, case: Case) -> None:
    worker = impatient
    worker.simulator.fault("groq", **case.fault, count=1)
    job = worker.submit(max_tokens=50)
    assert worker.complete().startswith("succeeded")

    failed, answered = job.result(timeout=5).attempts
    assert (failed.outcome, failed.key_id, failed.provider) == (case.outcome, "groq#1", "groq")
    assert (answered.outcome, answered.key_id) == ("ok", case.next_key)
    assert failed.reason
    assert worker.held() == pytest.approx(case.held, abs=1)
    assert (failed.usage.output_tokens == 50) is case.charged
    assert worker.nothing_is_held()
    alerts = worker.rows(AlertRow)
    assert [alert.severity for alert in alerts] == ["critical"] * case.alerts
    assert all("groq#1" in alert.title and "sim-groq" not in str(alert) for alert in alerts)


def test_what_failing_over_cost_is_in_the_trail(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "status", status=503)
    job = worker.submit()
    worker.complete()
    failed, answered = job.result(timeout=5).attempts
    between_ms = (answered.started_at - failed.started_at).total_seconds() * 1000 - failed.latency_ms
    assert answered.added_ms == pytest.approx(between_ms, abs=0.01)
    assert 0 < answered.added_ms < 1000
    assert [row.added_ms for row in worker.rows(AttemptRow)] == [0, answered.added_ms]


def test_a_call_that_was_never_sent_counts_against_no_quota(worker: SmallWorker) -> None:
    providers = worker.pool.registry.providers
    worker.configure(providers={**providers, "groq": replace(providers["groq"], base_url="http://127.0.0.1:1/v1")})
    job = worker.submit()
    worker.complete()
    failed, _ = job.result(timeout=5).attempts
    assert (failed.outcome, failed.status_code) == ("ProviderFailedError", None)
    used = {use.key_id: use.used for use in worker.run(usage_now(worker.pool.redis, worker.pool.registry))}
    assert (used["groq#1"], used["groq#2"], used["cerebras#1"]) == (0, 0, 1)


def test_a_wrong_request_is_tried_nowhere_else(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "status", status=400, body=openai_error("messages[0].name is too odd"))
    job = worker.submit()
    worker.complete()
    with pytest.raises(InvalidRequestError, match=r"groq answered 400: messages\[0\].name is too odd"):
        job.result(timeout=5)
    assert worker.requests() == 1
    assert worker.held() == {}
    assert worker.rows(JobRow)[0].error_type == "InvalidRequestError"


def test_who_is_left_alone_is_spared_by_the_next_job_too(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "down")
    jobs = [worker.submit() for _ in range(3)]
    for _ in jobs:
        worker.complete()
    assert [len(job.result(timeout=5).attempts) for job in jobs] == [2, 1, 1]
    assert worker.simulator.counts()["totals"]["down"] == 1


def test_an_alert_is_told_once_for_many_failures(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "unauthorized", key="groq#1")
    for _ in range(2):
        worker.submit()
        worker.complete()
        worker.time_passes()
    assert len(worker.rows(AlertRow)) == 1


def everybody_down(worker: SmallWorker) -> None:
    for provider in worker.pool.registry.providers:
        worker.simulator.fault(provider, "down")


def test_when_all_have_failed_the_job_rests_and_tries_again_three_times(worker: SmallWorker) -> None:
    everybody_down(worker)
    worker.pool.random = lambda: 0.5
    job = worker.submit()
    for pause_s in (2, 4, 8):
        assert worker.complete() == "parked: every candidate has failed"
        assert worker.waits_s(job) == pytest.approx(pause_s, abs=0.5)
        assert job.status().wait_reason == "every candidate has failed"
        worker.time_passes()
        worker.wake(job)
    worker.complete()

    with pytest.raises(FailoverError) as caught:
        job.result(timeout=5)
    failure = caught.value.failure
    assert failure is not None
    assert failure.retryable
    assert failure.attempted_models == [*FREE_MODELS, "openai-small"]
    assert all(reason.startswith("ProviderOverloadedError: ") for reason in failure.reasons.values())
    assert [attempt.outcome for attempt in failure.attempts].count("paused") == 3
    assert worker.requests() == 16
    assert [attempt.number for attempt in failure.attempts] == list(range(1, 20))


@pytest.mark.parametrize(("random", "seconds"), [(0.0, 1.5), (1.0, 2.5)])
def test_a_rest_is_jittered_by_a_quarter(worker: SmallWorker, random: float, seconds: float) -> None:
    everybody_down(worker)
    worker.pool.random = lambda: random
    job = worker.submit()
    worker.complete()
    assert worker.waits_s(job) == pytest.approx(seconds, abs=0.3)


def test_after_a_rest_the_first_that_is_well_again_answers(worker: SmallWorker) -> None:
    everybody_down(worker)
    job = worker.submit()
    worker.complete()
    worker.simulator.clear_faults()
    worker.time_passes()
    worker.wake(job)
    worker.complete()
    assert job.result(timeout=5).model_id == "groq-small"


def test_who_has_failed_is_tried_again_before_somebody_is_waited_for_who_is_left_alone_for_long(worker: SmallWorker) -> None:
    worker.run(hold(worker.pool.redis, provider_scope("cerebras"), ttl_ms=300_000, reason="ill"))
    for provider in ("groq", "mistral", "openai"):
        worker.simulator.fault(provider, "status", status=500, count=1)
    worker.pool.random = lambda: 0.5
    job = worker.submit()
    assert worker.complete() == "parked: those that could be called have failed; of the others: cerebras-small: ill"
    assert worker.waits_s(job) == pytest.approx(2, abs=0.5)
    for provider in ("groq", "mistral", "openai"):
        worker.time_passes_for(provider_scope(provider))
    worker.wake(job)
    worker.complete()
    assert job.result(timeout=5).model_id == "groq-small"


def test_after_its_rounds_a_job_waits_for_who_is_left_alone(worker: SmallWorker) -> None:
    worker.run(hold(worker.pool.redis, provider_scope("cerebras"), ttl_ms=300_000, reason="ill"))
    for provider in ("groq", "mistral", "openai"):
        worker.simulator.fault(provider, "status", status=500)
    job = worker.submit()
    for _ in range(3):
        assert worker.complete().startswith("parked: those that could be called have failed")
        for provider in ("groq", "mistral", "openai"):
            worker.time_passes_for(provider_scope(provider))
        worker.wake(job)
    assert worker.complete() == "parked: cerebras-small: ill"
    assert worker.waits_s(job) > 200


def test_a_model_that_is_gone_is_not_waited_for(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "status", status=404)
    job = worker.submit(model="groq-small")
    worker.complete()
    with pytest.raises(FailoverError, match="groq-small: ModelGoneError"):
        job.result(timeout=5)
    assert worker.requests() == 1


def test_what_every_model_refuses_is_not_tried_twice(worker: SmallWorker) -> None:
    for provider in worker.pool.registry.providers:
        worker.simulator.fault(provider, "status", status=413)
    job = worker.submit()
    worker.complete()
    with pytest.raises(FailoverError, match=r"groq-small: RequestTooLargeError.*openai-small: RequestTooLargeError"):
        job.result(timeout=5)
    assert worker.requests() == 4


def test_when_every_key_is_refused_nobody_waits(worker: SmallWorker) -> None:
    for provider in worker.pool.registry.providers:
        worker.simulator.fault(provider, "unauthorized")
    job = worker.submit()
    worker.complete()
    with pytest.raises(AuthenticationError, match="no key was accepted"):
        job.result(timeout=5)
    assert worker.requests() == 5, "every key once"
    assert len(worker.rows(AlertRow)) == 5


def test_free_keys_that_are_refused_send_the_job_to_the_next_tier(worker: SmallWorker) -> None:
    for provider in ("groq", "cerebras", "mistral"):
        worker.simulator.fault(provider, "unauthorized")
    job = worker.submit()
    worker.complete()
    assert job.result(timeout=5).model_id == "openai-small"


def test_a_spent_quota_is_waited_for_even_if_another_key_is_refused(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "unauthorized", key="groq#1")
    worker.simulator.fault("groq", "status", status=429, key="groq#2")
    job = worker.submit(model="groq-small")
    assert worker.complete().startswith("parked: groq#2: WindowSpentError")
    assert worker.waits_s(job) == pytest.approx(60, abs=1)


def test_a_spent_quota_elsewhere_is_waited_for_by_who_met_only_refused_keys(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "unauthorized")
    worker.configure(models={name: worker.pool.registry.models[name] for name in ("groq-small", "cerebras-small")})
    worker.run(hold(worker.pool.redis, provider_scope("cerebras"), ttl_ms=30_000, reason="busy"))
    job = worker.submit()
    assert worker.complete() == "parked: cerebras-small: busy"
    assert [attempt.outcome for attempt in job.status().attempts] == ["AuthenticationFailedError"] * 2


def test_a_job_that_was_refused_nowhere_itself_waits_for_keys_that_others_found_refused(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "unauthorized")
    worker.submit(model="groq-small")
    assert worker.complete().startswith("failed: AuthenticationError")
    worker.submit(model="groq-small")
    assert worker.complete().startswith("parked: groq#1: AuthenticationFailedError")
    assert worker.requests() == 2
