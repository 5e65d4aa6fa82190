"""Which candidate and which key get the call, and what is said when nobody can."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from small_pool import NOON_MS, Limits, candidates_of, connect, keys_of, pool, provider, window

from pool_worker import redis_keys
from pool_worker.batching_redis import BatchingRedis
from pool_worker.limits.acquire import Elsewhere, LeaseEndedError, Unenrolled, acquire
from pool_worker.limits.candidates import Charge
from pool_worker.limits.holds import group_scope, hold, key_scope, model_scope, provider_scope
from pool_worker.limits.settle import settle, unused, used
from pool_worker.limits.windows import BudgetWindow
from pool_worker.registry import Key, Unit

MINUTE_MS = 60_000
SOON_MS = 1_000


def tokens(amount: int) -> Charge:
    return Charge(input_tokens=amount)


def test_the_least_recently_used_key_is_next(limits: Limits) -> None:
    limits.use(provider("groq"), keys=keys_of("groq", 3))
    used = []
    for _ in range(6):
        used.append(limits.take().key_id)
        limits.now_ms += 1
    assert used == ["groq#1", "groq#2", "groq#3"] * 2


def test_a_key_of_lower_priority_is_used_when_the_better_ones_are_spent(limits: Limits) -> None:
    limits.use(
        provider("groq", window(limit=1)),
        keys=(Key("groq#1", "groq", priority=2), Key("groq#2", "groq", priority=1), Key("groq#3", "groq", priority=10)),
    )
    assert [limits.take().key_id for _ in range(3)] == ["groq#2", "groq#1", "groq#3"]
    limits.now_ms += MINUTE_MS
    assert limits.take().key_id == "groq#2"


def test_a_spent_key_gives_way_to_the_next_and_the_answer_names_the_first_to_free_up(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=1)), keys=keys_of("groq", 2))
    limits.take()
    limits.now_ms += 7_000
    limits.take()
    refused = limits.refused()
    assert (refused.retry_at_ms, refused.who) == (NOON_MS + MINUTE_MS, "groq#1")


def test_keys_of_one_quota_group_share_its_windows(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=2)), keys=keys_of("groq", 3, quota_group="acme"))
    assert {limits.take().key_id, limits.take().key_id} == {"groq#1", "groq#2"}
    limits.refused()


def test_groups_of_the_same_name_at_two_providers_share_nothing(limits: Limits) -> None:
    keys = (Key("groq#1", "groq", quota_group="acme"), Key("mistral#1", "mistral", quota_group="acme"))
    limits.use(provider("groq", window(limit=1)), provider("mistral", window(limit=1)), keys=keys)
    assert [limits.take().key_id, limits.take().key_id] == ["groq#1", "mistral#1"]


def test_the_first_free_candidate_in_route_order_is_taken(limits: Limits) -> None:
    limits.use(provider("cerebras", window(limit=1)), provider("groq", window(limit=1)))
    assert limits.take().candidate.model.id == "cerebras-small"
    assert limits.take().candidate.model.id == "groq-small"


def test_a_free_candidate_of_another_queue_ends_the_search_and_reserves_nothing(limits: Limits) -> None:
    limits.use(provider("cerebras", window(limit=1)), provider("groq", window(limit=1)))
    for _ in range(3):
        answer = limits.ask(served=frozenset({"free.groq"}))
        assert isinstance(answer, Elsewhere)
        assert answer.queue == "free.cerebras"
    limits.take()
    assert limits.take(served=frozenset({"free.groq"})).key_id == "groq#1"


def test_a_large_job_does_not_hide_a_key_from_small_ones(limits: Limits) -> None:
    limits.use(provider("groq", window("sliding", limit=1_000, unit="tokens", per="day")))
    limits.settle(limits.take(tokens(800)), tokens(800))
    assert limits.refused(tokens(500)).retry_at_ms == NOON_MS + 24 * 60 * MINUTE_MS
    limits.take(tokens(200))


def test_a_settlement_below_the_estimate_brings_a_spent_key_back(limits: Limits) -> None:
    limits.use(provider("groq", window("sliding", limit=1_000, unit="tokens", per="day")))
    lease = limits.take(tokens(1_000))
    limits.refused(tokens(1))
    limits.settle(lease, tokens(10))
    limits.take(tokens(990))


def test_a_settlement_brings_back_all_models_and_keys_that_share_the_window(limits: Limits) -> None:
    limits.registry = pool(
        provider("openrouter", window("fixed", limit=1_000, unit="tokens", per="day"), limits_shared=True),
        keys=keys_of("openrouter", 2, quota_group="acme"),
    )
    first = limits.registry.models["openrouter-small"]
    second = type(first)(id="openrouter-large", provider="openrouter", name="large")
    limits.registry = type(limits.registry)(
        providers=limits.registry.providers, models={first.id: first, second.id: second}, keys=limits.registry.keys
    )
    limits.enroll()
    small, large = candidates_of(limits.registry)
    lease = limits.take(tokens(1_000), candidates=[small])
    limits.refused(tokens(1), candidates=[large])
    limits.settle(lease, tokens(0))
    limits.take(tokens(500), candidates=[large])
    limits.take(tokens(500), candidates=[large])


def test_too_large_for_one_candidate_is_told_and_the_next_is_taken(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=100, unit="tokens")), provider("mistral", window(limit=1_000, unit="tokens")))
    assert limits.take(tokens(600)).key_id == "mistral#1"
    refused = limits.refused(tokens(600))
    assert refused.too_large == ("groq-small",)
    assert refused.who == "mistral#1"
    assert refused.retry_at_ms is not None


def test_a_keys_own_daily_limit_overrides_the_providers(limits: Limits) -> None:
    limits.use(
        provider("groq", window("fixed", limit=3, per="day")),
        keys=(Key("groq#1", "groq", daily_limit=1), Key("groq#2", "groq", daily_limit=5)),
    )
    used = [limits.take().key_id for _ in range(6)]
    assert (used.count("groq#1"), used.count("groq#2")) == (1, 5)
    limits.refused()


def test_a_keys_own_daily_limit_counts_where_the_provider_has_none(limits: Limits) -> None:
    limits.use(provider("groq", daily_unit=Unit.TOKENS), keys=(Key("groq#1", "groq", daily_limit=100),))
    lease = limits.take(tokens(100))
    assert limits.refused(tokens(1)).retry_at_ms == NOON_MS + 1_000
    limits.settle(lease, tokens(100))
    assert limits.refused(tokens(1)).retry_at_ms == NOON_MS + 12 * 60 * MINUTE_MS


def test_a_provider_that_needs_no_key_is_called_under_its_own_name(limits: Limits) -> None:
    limits.use(provider("ollama", needs_key=False, concurrency=1))
    assert limits.take().key_id == "ollama"
    limits.refused()


@pytest.mark.parametrize(
    "scope",
    [
        provider_scope("groq"),
        model_scope("groq", "small"),
        key_scope("groq#1"),
        group_scope("groq", "groq#1"),
        group_scope("groq", "groq#1", model="small"),
    ],
)
def test_whoever_is_held_is_left_alone_until_then(limits: Limits, scope: str) -> None:
    limits.use(provider("groq"))
    limits.run(hold(limits.redis, scope, reason="resting", ttl_ms=5_000, now_ms=limits.now_ms))
    refused = limits.refused()
    assert refused.retry_at_ms == NOON_MS + 5_000
    assert refused.reason.endswith(": resting")
    limits.now_ms += 5_000
    limits.take()


def test_a_hold_on_another_model_or_key_does_not_matter(limits: Limits) -> None:
    limits.use(provider("groq"))
    for scope in (model_scope("groq", "large"), key_scope("groq#2"), group_scope("groq", "groq#1", model="large")):
        limits.run(hold(limits.redis, scope, reason="resting", ttl_ms=5_000, now_ms=limits.now_ms))
    limits.take()


def test_a_hold_is_only_extended(limits: Limits) -> None:
    def held(**until: Any) -> int:
        return int(limits.run(hold(limits.redis, "provider:groq", reason="resting", now_ms=limits.now_ms, **until)))

    assert held(ttl_ms=5_000) == NOON_MS + 5_000
    assert held(until_ms=NOON_MS + 1_000) == NOON_MS + 5_000
    assert held(until_ms=NOON_MS + 9_000) == NOON_MS + 9_000
    with pytest.raises(ValueError, match="either until_ms or ttl_ms"):
        held()


def test_the_same_lease_id_gives_the_same_lease(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=2)), keys=keys_of("groq", 2))
    first = limits.take(lease_id="once")
    limits.now_ms += 1_000
    assert limits.take(lease_id="once") == first
    assert [limits.take().key_id for _ in range(3)] == ["groq#2", "groq#1", "groq#2"]
    limits.refused()


def test_a_lease_that_has_ended_is_not_given_again(limits: Limits) -> None:
    limits.use(provider("groq"))
    limits.settle(limits.take(lease_id="once"))
    with pytest.raises(LeaseEndedError, match="lease once is settled"):
        limits.ask(lease_id="once")


def test_a_lease_that_is_ended_before_it_is_asked_for_is_never_given(limits: Limits) -> None:
    """Two connections may swap what was sent on them: whoever was broken off has said that it does not want the lease."""
    limits.use(provider("groq", window(limit=1)))
    limits.run(settle(limits.redis, unused("late"), now_ms=limits.now_ms))
    with pytest.raises(LeaseEndedError, match="lease late is refunded"):
        limits.ask(lease_id="late")
    limits.take()


def test_the_row_of_its_call_is_told_with_the_lease_that_it_ends(limits: Limits) -> None:
    """One step: whoever dies has told both, or neither. Told again it is the same row."""
    limits.use(provider("groq"))
    lease = limits.take()
    row = ("attempt", lease.id, "{}")
    ended = [limits.run(settle(limits.redis, used(lease.id, actual=Charge()), row=row, now_ms=limits.now_ms)) for _ in range(2)]
    assert ended == [True, False]
    rows = [fields for _, fields in limits.run(limits.redis.xrange(redis_keys.OUTBOX))]
    assert rows == [{"kind": "attempt", "id": lease.id, "data": "{}"}] * 2


def test_a_lease_is_ended_once(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=10)))
    lease = limits.take()
    assert limits.settle(lease)
    assert not limits.settle(lease)
    assert not limits.refund(lease)
    for _ in range(9):
        limits.take()
    limits.refused()


@pytest.mark.parametrize("ttl_ms", [0, 3_600_001])
def test_a_lease_cannot_be_of_any_length(limits: Limits, ttl_ms: int) -> None:
    with pytest.raises(ValueError, match=f"not {ttl_ms}"):
        limits.ask(ttl_ms=ttl_ms)


def test_expired_leases_give_their_slot_back_but_stay_counted(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=3), concurrency=2))
    leases = [limits.take(ttl_ms=5_000), limits.take(ttl_ms=5_000)]
    limits.now_ms += 4_999
    assert limits.expire() == []
    limits.now_ms += 1
    assert [ended.lease_id for ended in limits.expire(limit=1)] == [leases[0].id]
    assert [ended.job_id for ended in limits.expire()] == ["job"]
    assert limits.expire() == []
    assert not limits.settle(leases[0])
    limits.take()
    assert limits.refused().reason == "groq#1: requests per minute"


def test_an_empty_redis_asks_to_be_enrolled(limits: Limits) -> None:
    limits.use(provider("groq"))
    limits.run(limits.redis.flushall())
    assert limits.ask() == Unenrolled("groq")
    limits.enroll()
    limits.take()


def test_nobody_to_ask_is_never(limits: Limits) -> None:
    limits.use(provider("groq"))
    assert limits.refused(candidates=[]).retry_at_ms is None


def test_keys_that_are_gone_are_not_used_and_others_keep_their_turn(limits: Limits) -> None:
    limits.use(provider("groq"), keys=keys_of("groq", 3))
    for _ in range(2):
        limits.take()
        limits.now_ms += 1
    limits.use(provider("groq"), keys=(*keys_of("groq", 4)[1:3], Key("groq#9", "groq")))
    used = []
    for _ in range(4):
        limits.now_ms += 1
        used.append(limits.take().key_id)
    assert used == ["groq#3", "groq#9", "groq#2", "groq#3"]


def test_a_key_of_another_priority_moves(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=1)), keys=(Key("groq#1", "groq", 1), Key("groq#2", "groq", 2)))
    limits.use(provider("groq", window(limit=1)), keys=(Key("groq#1", "groq", 3), Key("groq#2", "groq", 2)))
    assert [limits.take().key_id, limits.take().key_id] == ["groq#2", "groq#1"]
    limits.refused()


def test_a_raised_limit_counts_at_once(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=1, per="day")))
    limits.take()
    limits.refused()
    limits.use(provider("groq", window(limit=2, per="day")))
    limits.take()
    limits.refused()


def test_many_keys_are_looked_at_a_few_at_a_time_and_none_is_forgotten(limits: Limits) -> None:
    limits.use(provider("groq", window("fixed", limit=100, unit="tokens")), keys=keys_of("groq", 100))
    keys = []
    for number in range(100):
        keys.append(limits.take(tokens(50), lease_id=f"first-{number}").key_id)
        limits.run(settle(limits.redis, used(f"first-{number}", actual=tokens(10 if number == 80 else 50)), now_ms=limits.now_ms))
        limits.now_ms += 1
    for _ in range(10):
        refused = limits.refused(tokens(60))
        assert refused.reason == "groq: more keys to look at"
        assert refused.retry_at_ms == limits.now_ms + 1_000
        limits.now_ms += 1
    assert limits.take(tokens(60)).key_id == keys[80]


def test_nothing_is_left_without_an_end(limits: Limits) -> None:
    limits.use(
        provider("groq", window(), window("refill", unit="tokens", limit=100), window("fixed", per="day", limit=9)),
        keys=keys_of("groq", 2),
    )
    budgets = (BudgetWindow("all", 1_000),)
    for _ in range(3):
        limits.settle(limits.take(tokens(10), cost_micro_usd=5, budgets=budgets), tokens(8), cost_micro_usd=4)
    limits.take(tokens(10))
    limits.run(hold(limits.redis, "provider:x", reason="r", ttl_ms=5_000))
    lasting = ("pool:ready:", "pool:enrolled:", "pool:key:", "pool:group:", "pool:leases", "pool:budget:is_known")
    for name in limits.run(limits.redis.keys("*")):
        assert name.startswith(lasting) or limits.run(limits.redis.pttl(name)) > 0, name


def test_a_client_that_does_not_decode_gets_the_same(limits: Limits, redis_url: str) -> None:
    limits.use(provider("groq"))
    bytes_client = connect(f"{redis_url}?decode_responses=False")
    limits.redis, text_client = bytes_client, limits.redis
    assert limits.take().key_id == "groq#1"
    limits.redis = text_client
    limits.run(bytes_client.aclose())


@pytest.mark.parametrize("steps", range(12))
def test_who_is_cancelled_while_asking_leaves_nothing_reserved(limits: Limits, redis_url: str, steps: int) -> None:
    """At any step of the loop: before it was asked, on its way, or when the answer is there."""
    limits.use(provider("groq", window(limit=1)))

    async def ask_and_leave() -> None:
        client = BatchingRedis.from_pool(connect(redis_url).connection_pool)
        asking = asyncio.create_task(
            acquire(
                client,
                candidates_of(limits.registry),
                lease_id="given-up",
                job_id="job",
                ttl_ms=MINUTE_MS,
                served_queues=frozenset(limits.registry.queues()),
                now_ms=NOON_MS,
            )
        )
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        if not asking.cancelled():
            await settle(client, unused("given-up"), now_ms=NOON_MS)
        await client.aclose()

    limits.run(ask_and_leave())
    assert limits.take().id != "given-up"


def test_the_load_is_spread_by_how_much_of_each_key_is_used(limits: Limits) -> None:
    limits.use(provider("groq", window("fixed", limit=100, unit="tokens", per="day")), keys=keys_of("groq", 2))
    used_much = limits.take(tokens(60))
    limits.now_ms += 1_000
    others = [limits.take(tokens(10)).key_id for _ in range(5)]
    assert set(others) == {"groq#1", "groq#2"} - {used_much.key_id}
    limits.now_ms += 60_000
    limits.take(tokens(10))
    assert limits.take(tokens(10)).key_id == used_much.key_id, "who was not used for longer comes before who is as full"
