"""That nobody is free is found out once, and not believed a moment longer than it is true."""

from __future__ import annotations

import pytest
from small_pool import NOON_MS, Limits, candidates_of, keys_of, provider, window

from pool_worker import redis_keys
from pool_worker.limits.acquire import Exhausted, Lease
from pool_worker.limits.candidates import Charge
from pool_worker.limits.holds import hold, key_scope

NOBODY = redis_keys.nobody_free("groq", "small")


def tokens(count: int) -> Charge:
    return Charge(input_tokens=count)


@pytest.fixture
def spent(limits: Limits) -> Limits:
    """Two accounts of 100 tokens a minute each, of which 50 are used."""
    limits.use(provider("groq", window("fixed", limit=100, unit="tokens")), keys=keys_of("groq", 2))
    for _ in range(2):
        limits.settle(limits.take(tokens(50)), tokens(50))
    return limits


def looks(limits: Limits, charge: Charge) -> tuple[Lease | Exhausted, int]:
    """What is answered, and how many keys were looked at for it."""

    def counted() -> int:
        return int(limits.run(limits.redis.info("commandstats")).get("cmdstat_zrange", {"calls": 0})["calls"])

    before = counted()
    answer = limits.ask(charge)
    assert isinstance(answer, Lease | Exhausted)
    return answer, counted() - before


def test_a_job_of_the_same_size_or_larger_is_told_at_once(spent: Limits) -> None:
    first, walked = looks(spent, tokens(60))
    assert walked > 0
    for charge in (tokens(60), tokens(90)):
        assert looks(spent, charge) == (first, 0)


def test_a_smaller_one_is_looked_for(spent: Limits) -> None:
    spent.refused(tokens(60))
    spent.take(tokens(50))


def test_it_ends_with_the_time_that_it_named(spent: Limits) -> None:
    refused = spent.refused(tokens(60))
    assert refused.retry_at_ms == NOON_MS + 60_000
    spent.now_ms = NOON_MS + 59_999
    spent.refused(tokens(60))
    spent.now_ms += 1
    spent.take(tokens(60))


def test_what_comes_back_is_found_at_once(spent: Limits) -> None:
    lease = spent.take(tokens(50))
    spent.now_ms += 1
    spent.settle(spent.take(tokens(50)), tokens(50))
    spent.refused(tokens(60))
    spent.settle(lease, tokens(0))
    spent.refused(tokens(60))
    spent.take(tokens(50))


def test_a_new_key_is_found_at_once(spent: Limits) -> None:
    spent.refused(tokens(60))
    spent.use(provider("groq", window("fixed", limit=100, unit="tokens")), keys=keys_of("groq", 3))
    assert spent.take(tokens(60)).key_id == "groq#3"


def test_why_may_be_in_a_providers_own_words(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=5)))
    limits.run(hold(limits.redis, key_scope("groq#1"), reason="401 | bad | key", ttl_ms=60_000, now_ms=limits.now_ms))
    refused = limits.refused()
    assert refused.reason == "groq#1: 401 | bad | key"
    assert limits.refused() == refused


def test_a_call_in_flight_may_end_at_any_time(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=100), concurrency=1))
    lease = limits.take()
    limits.refused()
    assert limits.run(limits.redis.exists(NOBODY)) == 0
    limits.settle(lease)
    limits.take()


def test_a_job_that_fits_no_window_is_still_told_so(spent: Limits) -> None:
    spent.refused(tokens(60))
    assert spent.refused(tokens(101)).too_large == (candidates_of(spent.registry)[0].model.id,)
