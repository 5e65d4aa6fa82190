"""How well models answer: what each call's end adds, and what is read from it."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_pool import Limits, provider

from pool_worker import errors, redis_keys
from pool_worker.errors import AttemptError
from pool_worker.limits.performance import (
    BUCKETS_PER_OCTAVE,
    CELLS,
    ENOUGH_CALLS,
    GENERATION_S,
    Performance,
    Seen,
    answered,
    failed,
    performance_of,
    quantile_ms,
)

MODEL = "groq-small"
A_GENERATION = 100
FAILURE = failed(MODEL, errors.ProviderFailedError())
WITHIN_A_TENTH = 2 ** (0.5 / BUCKETS_PER_OCTAVE) - 1 + 0.003


def known(limits: Limits, *, after_s: float = 0) -> Performance:
    entries = limits.run(limits.redis.hgetall(redis_keys.PERFORMANCE))
    return performance_of(entries, now=datetime.fromtimestamp(limits.now_ms / 1000 + after_s, UTC))


def end_calls(limits: Limits, count: int, seen: Seen | None) -> None:
    for _ in range(count):
        assert limits.settle(limits.take(), seen=seen)


@pytest.fixture
def calls(limits: Limits) -> Limits:
    limits.use(provider())
    return limits


def test_nothing_is_said_before_enough_calls_were_seen(calls: Limits) -> None:
    end_calls(calls, ENOUGH_CALLS - 1, answered(MODEL, latency_ms=100))
    assert known(calls) == Performance()
    end_calls(calls, 1, FAILURE)
    performance = known(calls)
    assert performance.success_rate(MODEL) == pytest.approx(0.95)
    assert (performance.median_ms(MODEL), performance.p95_ms(MODEL)) == (None, None), "only 19 answers"
    end_calls(calls, 1, answered(MODEL, latency_ms=100))
    assert known(calls).median_ms(MODEL) == pytest.approx(100, rel=WITHIN_A_TENTH)
    assert (known(calls).success_rate("other"), known(calls).median_ms("other"), known(calls).p95_ms("other")) == (None,) * 3


def test_the_median_and_the_slowest_twentieth_are_told_apart(calls: Limits) -> None:
    end_calls(calls, 36, answered(MODEL, latency_ms=250))
    end_calls(calls, 4, answered(MODEL, latency_ms=9000))
    performance = known(calls)
    assert performance.median_ms(MODEL) == pytest.approx(250, rel=WITHIN_A_TENTH)
    assert performance.p95_ms(MODEL) == pytest.approx(9000, rel=WITHIN_A_TENTH)
    assert performance.success_rate(MODEL) == 1


def test_a_lease_that_has_ended_counts_no_second_call(calls: Limits) -> None:
    lease = calls.take()
    assert calls.settle(lease, seen=FAILURE)
    assert not calls.settle(lease, seen=FAILURE)
    end_calls(calls, 1, None)
    (entry,) = calls.run(calls.redis.hvals(redis_keys.PERFORMANCE))
    assert entry[8:10] == "\1\1", "one call, one failure"


def test_what_was_long_ago_is_forgotten(calls: Limits) -> None:
    end_calls(calls, 30, FAILURE)
    assert known(calls, after_s=2 * GENERATION_S - 1).success_rate(MODEL) == 0
    assert known(calls, after_s=2 * GENERATION_S).success_rate(MODEL) is None
    calls.now_ms += GENERATION_S * 1000
    end_calls(calls, 30, answered(MODEL, latency_ms=100))
    assert known(calls).success_rate(MODEL) == 0.5, "the generation before counts as well"
    calls.now_ms += GENERATION_S * 1000
    end_calls(calls, 10, answered(MODEL, latency_ms=100))
    assert known(calls).success_rate(MODEL) == 1, "these ten and the thirty of an hour ago"
    calls.now_ms += 2 * GENERATION_S * 1000
    end_calls(calls, 1, FAILURE)
    assert known(calls).success_rate(MODEL) is None


def test_a_generation_ends_also_when_it_is_full(calls: Limits) -> None:
    end_calls(calls, A_GENERATION, FAILURE)
    end_calls(calls, A_GENERATION, answered(MODEL, latency_ms=100))
    assert known(calls).success_rate(MODEL) == 0.5
    end_calls(calls, 1, answered(MODEL, latency_ms=100))
    assert known(calls).success_rate(MODEL) == 1
    assert calls.run(calls.redis.hstrlen(redis_keys.PERFORMANCE, MODEL)) == 8 + 2 * CELLS, "however many calls"


def test_what_another_release_has_written_counts_as_nothing(calls: Limits) -> None:
    calls.run(calls.redis.hset(redis_keys.PERFORMANCE, MODEL, "of another form"))
    assert known(calls) == Performance()
    end_calls(calls, ENOUGH_CALLS, FAILURE)
    assert known(calls).success_rate(MODEL) == 0


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AttemptError)]


def test_only_the_models_and_the_providers_faults_are_evidence() -> None:
    """A spent quota, a refused key, a bad request or a call that we broke off says nothing of how well a model answers."""
    counted = {kind.__name__ for kind in KINDS if kind is not AttemptError and failed(MODEL, kind())}
    providers = {"ProviderOverloadedError", "ProviderFailedError", "BadAnswerError"}
    assert counted == {"ModelGoneError", "ModelOverloadedError", *providers}


@given(st.lists(st.integers(20, 4_000_000), min_size=ENOUGH_CALLS, max_size=ENOUGH_CALLS + 5), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_that_of_the_latencies_to_within_a_tenth(latencies: list[int], share: float) -> None:
    buckets = [0] * (CELLS - 2)
    for latency_ms in latencies:
        buckets[answered(MODEL, latency_ms=latency_ms).cell - 2] += 1
    exact = sorted(latencies)[math.ceil(share * len(latencies)) - 1]
    assert quantile_ms(buckets, share) == pytest.approx(exact, rel=WITHIN_A_TENTH)
