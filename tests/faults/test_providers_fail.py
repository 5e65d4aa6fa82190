"""Faults 19 and 20: providers that hang, dribble, cut off, or send what nobody can read, and a worker that bears it all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from memory_taken import BOUND_MB, peak_mb
from odd_provider import OddProvider, head, serve_oddly, whole
from odd_replies import (
    GOOD_WITH_ODD_USAGE,
    NOT_A_REPLY,
    NOT_AN_ANSWER,
    ODD_BODIES_OF_A_REFUSAL,
    ODD_WAITS,
    answer,
)
from small_worker import SmallWorker

from pool_client import DeadlineExceededError, JobHandle
from pool_client.job import Attempt
from pool_worker.ledger.rows import NOT_CALLS, AttemptRow
from pool_worker.providers.body import MAX_BODY_BYTES

TIMEOUT_S = 2.0


@pytest.fixture
def odd(worker: SmallWorker) -> Iterator[OddProvider]:
    """In the place of groq, the first that every job tries."""
    with serve_oddly() as provider:
        impatient(worker, "groq", base_url=provider.url)
        yield provider


def impatient(worker: SmallWorker, provider: str, *, timeout_s: float = TIMEOUT_S, **changes: Any) -> None:
    providers = worker.pool.registry.providers
    worker.configure(providers={**providers, provider: replace(providers[provider], timeout_s=timeout_s, **changes)})


def failed_once(worker: SmallWorker, job: JobHandle) -> Attempt:
    """The job's first call, after which another provider answered."""
    assert worker.complete().startswith("succeeded")
    result = job.result(timeout=5)
    failed, answered = result.attempts
    assert result.provider == answered.provider == "cerebras"
    assert worker.nothing_is_held()
    return failed


def calls(worker: SmallWorker) -> list[AttemptRow]:
    """The books' rows of calls to providers."""
    return [row for row in worker.rows(AttemptRow) if row.outcome not in NOT_CALLS]


@pytest.mark.parametrize("wire", NOT_AN_ANSWER.values(), ids=NOT_AN_ANSWER)
def test_what_is_no_answer_is_a_bad_answer_and_the_job_ends_elsewhere(worker: SmallWorker, odd: OddProvider, wire: Any) -> None:
    odd.wire, job, started = wire, worker.submit(max_tokens=50), time.monotonic()
    grown_mb = peak_mb(lambda: failed_once(worker, job))
    failed = job.result(timeout=5).attempts[0]
    assert (failed.outcome, failed.status_code) == ("BadAnswerError", 200), failed.reason
    assert failed.usage.output_tokens == 50, "it may have been paid for"
    assert grown_mb < BOUND_MB
    assert time.monotonic() - started < TIMEOUT_S + 1
    assert odd.requests == 1


@pytest.mark.parametrize("wire", NOT_A_REPLY.values(), ids=NOT_A_REPLY)
def test_what_is_no_http_fails_the_provider_and_the_job_ends_elsewhere(worker: SmallWorker, odd: OddProvider, wire: Any) -> None:
    odd.wire, job = wire, worker.submit(max_tokens=50)
    grown_mb = peak_mb(lambda: failed_once(worker, job))
    failed = job.result(timeout=5).attempts[0]
    assert (failed.outcome, failed.status_code) == ("ProviderFailedError", None), failed.reason
    assert failed.usage.output_tokens == 50
    assert grown_mb < BOUND_MB


@pytest.mark.parametrize("body", GOOD_WITH_ODD_USAGE.values(), ids=GOOD_WITH_ODD_USAGE)
def test_an_answer_with_odd_usage_counts_as_estimated(worker: SmallWorker, odd: OddProvider, body: bytes) -> None:
    odd.wire, job = whole(body), worker.submit("x" * 400, max_tokens=50)
    assert worker.complete().startswith("succeeded on groq-small")
    result = job.result(timeout=5)
    assert result.content == "fine"
    assert (result.usage.input_tokens, result.usage.output_tokens) == (104, 50)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("body", ODD_BODIES_OF_A_REFUSAL.values(), ids=ODD_BODIES_OF_A_REFUSAL)
def test_a_refusal_counts_by_its_status_whatever_it_says(worker: SmallWorker, odd: OddProvider, status: int, body: bytes) -> None:
    outcome = {429: "WindowSpentError", 500: "ProviderFailedError", 503: "ProviderOverloadedError"}[status]
    odd.wire, job = whole(body, status), worker.submit(model=None, excluded_providers=["mistral"])
    assert worker.complete().startswith("succeeded")
    attempts = job.result(timeout=5).attempts
    assert {attempt.outcome for attempt in attempts[:-1]} == {outcome}
    assert all(len(attempt.reason) < 500 and attempt.reason.isprintable() for attempt in attempts[:-1])
    assert all(0 < held_s <= 32 * 86_400 for held_s in worker.held().values())
    assert odd.requests == len(attempts) - 1 <= 2, "each of groq's keys once at most"


@pytest.mark.parametrize("wait", ODD_WAITS)
@pytest.mark.parametrize("name", ["retry_after", "retry_after_ms", "x_ratelimit_reset"])
def test_an_odd_retry_after_holds_neither_for_ever_nor_not_at_all(
    worker: SmallWorker, odd: OddProvider, name: str, wait: str
) -> None:
    odd.wire = lambda: [head(429, content_length=0, **{name: "MARK"}).replace(b"MARK", wait.encode("latin-1"))]
    worker.submit(model="groq-small")
    assert worker.complete().startswith("parked")
    assert worker.held()
    assert all(0.5 < held_s <= 32 * 86_400 for held_s in worker.held().values())


@pytest.mark.parametrize("unit", [b"[],", b"{},", b'"",', b"0,"])
def test_no_json_of_the_largest_size_holds_up_the_worker(worker: SmallWorker, odd: OddProvider, unit: bytes) -> None:
    odd.wire = whole(b"[" + unit * (MAX_BODY_BYTES // len(unit) - 1) + unit[:-1] + b"]")
    job, started = worker.submit(), time.monotonic()
    assert peak_mb(lambda: failed_once(worker, job)) < 2 * BOUND_MB
    assert time.monotonic() - started < TIMEOUT_S


def test_many_bombs_do_not_add_up(worker: SmallWorker, odd: OddProvider) -> None:
    odd.wire = NOT_AN_ANSWER["a gzip bomb"]
    jobs = [worker.submit(model="groq-small") for _ in range(12)]

    def some(count: int) -> None:
        for _ in range(count):
            worker.complete()
            worker.heals()

    some(4)
    assert peak_mb(lambda: some(8)) < BOUND_MB / 2
    assert odd.requests == 12
    assert not any(job.done() for job in jobs), "they wait until groq is better"


# --- fault 19: hanging, dribbling, cut off


def dribble(*, every_s: float, piece: bytes = b" ") -> Iterable[bytes]:
    yield head()
    while True:
        yield piece
        threading.Event().wait(every_s)


@pytest.mark.parametrize("every_s", [0.01, 0.5, 10])
def test_a_body_that_dribbles_ends_at_the_providers_time_out(worker: SmallWorker, odd: OddProvider, every_s: float) -> None:
    impatient(worker, "groq", base_url=odd.url, timeout_s=0.3)
    odd.wire, job = lambda: dribble(every_s=every_s), worker.submit(max_tokens=50)
    failed = failed_once(worker, job)
    assert (failed.outcome, failed.reason) == ("ProviderFailedError", "no answer within 0.3 s")
    assert failed.usage.output_tokens == 50
    assert 300 <= failed.latency_ms < 800


@pytest.mark.parametrize("fault", [{"kind": "hang"}, {"kind": "slow", "delay_s": 10}])
def test_the_jobs_deadline_is_kept_while_a_provider_hangs(worker: SmallWorker, fault: dict[str, Any]) -> None:
    for provider in worker.pool.registry.providers:
        worker.simulator.fault(provider, **fault)
    job, started = worker.submit(deadline_s=0.8), time.monotonic()
    worker.complete()
    assert time.monotonic() - started < 1.5
    with pytest.raises(DeadlineExceededError):
        job.result(timeout=5)
    assert worker.requests() == 1
    assert worker.nothing_is_held()


@pytest.mark.parametrize("fault", ["reset", "garbage", "html", "cut", "slow"])
def test_a_charge_whose_answer_was_lost_is_booked(worker: SmallWorker, fault: str) -> None:
    """What the provider charged is in the books, as an estimate that is not less."""
    impatient(worker, "openai", timeout_s=0.5)
    worker.simulator.fault("openai", fault, count=1, **({"delay_s": 10} if fault == "slow" else {}))
    job = worker.submit("What do these lines tell? " * 20, model="openai-small", max_tokens=60)
    assert worker.complete() == "parked: every candidate has failed"
    judge, (row,) = worker.simulator.counts()["totals"], calls(worker)
    assert judge["charges"] == 1
    assert row.cost >= worker.bill_usd() > 0
    assert row.output_tokens == 60 >= judge["output_tokens"]
    assert row.input_tokens >= judge["input_tokens"]

    worker.time_passes()
    worker.wake(job)
    assert worker.complete().startswith("succeeded")
    assert job.result(timeout=5).cost_usd == sum(each.cost for each in calls(worker)) >= worker.bill_usd()


def test_a_call_that_was_taken_and_never_charged_is_booked_as_if_it_had_been(worker: SmallWorker) -> None:
    """Nobody can know: rather too much is counted than too little."""
    impatient(worker, "openai", timeout_s=0.2)
    worker.simulator.fault("openai", "hang", count=1)
    worker.submit(model="openai-small", max_tokens=60)
    worker.complete()
    (row,) = calls(worker)
    assert row.output_tokens == 60
    assert row.cost > worker.bill_usd() == 0


def test_an_answer_after_all_of_that(worker: SmallWorker, odd: OddProvider) -> None:
    odd.wire, job = whole(answer({"prompt_tokens": 3, "completion_tokens": 1})), worker.submit()
    assert worker.complete().startswith("succeeded on groq-small after 1 call")
    assert job.result(timeout=5).usage.total_tokens == 4
