"""So many calls in flight per account, and no more."""

from __future__ import annotations

from small_pool import Limits, keys_of, provider


def test_keys_of_one_account_share_its_calls_in_flight(limits: Limits) -> None:
    limits.use(provider("groq", concurrency=2), keys=keys_of("groq", 2, quota_group="org"))
    leases = [limits.take(), limits.take()]
    assert limits.refused().reason.endswith(": 2 calls in flight")
    limits.settle(leases[0])
    limits.take()


def test_accounts_of_two_providers_may_have_the_same_name(limits: Limits) -> None:
    keys = (*keys_of("groq", 1, quota_group="org"), *keys_of("mistral", 1, quota_group="org"))
    limits.use(provider("groq", concurrency=1), provider("mistral", concurrency=1), keys=keys)
    assert {limits.take().key_id, limits.take().key_id} == {"groq#1", "mistral#1"}


def test_a_key_has_so_many_calls_in_flight_and_a_dead_one_falls_out_at_its_deadline(limits: Limits) -> None:
    limits.use(provider("groq", concurrency=2))
    first = limits.take()
    limits.take(ttl_ms=30_000)
    assert limits.refused().reason == "groq#1: 2 calls in flight"
    limits.settle(first)
    limits.take()
    limits.refused()
    limits.now_ms += 30_000
    limits.take()
