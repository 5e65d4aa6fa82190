"""So many calls in flight per account, and no more."""

from __future__ import annotations

from dataclasses import replace

from small_pool import Limits, candidates_of, keys_of, provider


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


def test_a_model_may_have_fewer_calls_in_flight_than_its_provider(limits: Limits) -> None:
    limits.use(provider("groq", concurrency=3))
    registry = limits.registry
    large = replace(registry.models["groq-small"], id="groq-large", name="large", concurrency=1)
    limits.registry = replace(registry, models={**registry.models, large.id: large})
    limits.enroll()
    small, large = candidates_of(limits.registry)
    first = limits.take(candidates=[large])
    assert limits.refused(candidates=[large]).reason == "groq#1: 1 calls in flight"
    assert limits.take(candidates=[large, small]).candidate.model.id == "groq-small"
    limits.take(candidates=[small])
    limits.settle(first)
    limits.take(candidates=[large])
    assert limits.refused(candidates=[small]).reason == "groq#1: 3 calls in flight"


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
