"""What one process has claimed: how much it takes at a time, and how its claims outlive connections and are given back."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import given

from pool_worker import redis_keys
from pool_worker.broker.claims import UNREADY_AT_MOST, Claims
from pool_worker.broker.keeper import Keeper
from pool_worker.broker.messages import acknowledge, give_back

LEASE_S = 1.0


@pytest.fixture
def claims() -> Claims:
    return Claims()


def hold(client: redis.Redis, claims: Claims, *tags: str) -> None:
    """Messages as `claim.lua` leaves them, all of one task each."""
    for number, tag in enumerate(tags):
        client.hset(redis_keys.UNACKED, tag, f"free\nmessage of {tag}")
        client.zadd(redis_keys.UNACKED_INDEX, {tag: number})
        claims.take(tag, task_id=f"task {tag}")


def test_no_more_is_claimed_than_can_soon_be_got_ready(claims: Claims) -> None:
    assert claims.room(0) == UNREADY_AT_MOST
    for number in range(UNREADY_AT_MOST):
        claims.take(str(number), task_id="")
    assert claims.room(0) == 0
    claims.has_begun("0")
    assert claims.room(0) == 0, "one is not worth a claim"
    for number in range(UNREADY_AT_MOST // 2):
        claims.has_begun(str(number))
    assert claims.room(0) == UNREADY_AT_MOST - UNREADY_AT_MOST // 2
    assert claims.room(UNREADY_AT_MOST + 1) == 1, "no more in hand than the prefetch says"


def test_the_hub_is_woken_once_when_there_is_room_again(claims: Claims) -> None:
    woken: list[int] = []
    claims.wake_hub = lambda: woken.append(claims.room(0))
    for number in range(UNREADY_AT_MOST):
        claims.take(str(number), task_id="")
    for number in range(UNREADY_AT_MOST):
        claims.has_begun(str(number))
    assert woken == [], "nobody has asked for room"
    for number in range(UNREADY_AT_MOST):
        claims.begins(str(number))
    assert claims.room(0) == 0
    for number in range(UNREADY_AT_MOST):
        claims.forget(str(number))
    assert woken == [UNREADY_AT_MOST - UNREADY_AT_MOST // 2]


@given(st.lists(st.tuples(st.sampled_from(["take", "begins", "has_begun", "forget"]), st.integers(0, 40)), max_size=200))
def test_a_hub_that_waits_for_room_is_always_woken(steps: list[tuple[str, int]]) -> None:
    claims = Claims()
    waits = False

    def wake() -> None:
        nonlocal waits
        waits = False

    claims.wake_hub = wake
    for step, number in steps:
        if step == "take":
            claims.take(str(number), task_id="")
        else:
            getattr(claims, step)(str(number))
        assert not (waits and claims.room(0)), "it would wait for ever"
        waits = claims.room(0) == 0


def test_what_could_not_be_told_is_told_when_redis_is_back(claims: Claims, redis_client: redis.Redis, redis_url: str) -> None:
    hold(redis_client, claims, "done", "returned", "kept")
    claims.owe("done", give_back=False)
    claims.owe("returned", give_back=True)
    claims.owe("never claimed", give_back=True)
    keeper = Keeper(claims, url=redis_url, lease_s=LEASE_S)
    keeper._keep()
    assert claims.tags() == ["kept"]
    assert redis_client.hkeys(redis_keys.UNACKED) == ["kept"]
    assert redis_client.lrange("free", 0, -1) == ["message of returned"]


def test_held_claims_are_renewed_and_lost_ones_noticed(claims: Claims, redis_client: redis.Redis, redis_url: str) -> None:
    hold(redis_client, claims, "kept", "lost")
    redis_client.hdel(redis_keys.UNACKED, "lost")
    keeper = Keeper(claims, url=redis_url, lease_s=LEASE_S)
    keeper._keep()
    assert "lost" in claims, "it may be a message that is being finished just now"
    keeper._keep()
    assert claims.tags() == ["kept"]
    seconds, micros = redis_client.time()
    left_ms = redis_client.zscore(redis_keys.UNACKED_INDEX, "kept") - (seconds * 1000 + micros // 1000)
    assert 0 < left_ms <= LEASE_S * 1000


def test_a_leaving_worker_gives_back_what_it_holds_the_oldest_to_the_head(
    claims: Claims, redis_client: redis.Redis, redis_url: str
) -> None:
    hold(redis_client, claims, "first", "second", "third")
    claims.forget("second")
    keeper = Keeper(claims, url=redis_url, lease_s=LEASE_S)
    keeper.start()
    keeper.stop()
    assert redis_client.lrange("free", 0, -1) == ["message of third", "message of first"]
    assert len(claims) == 0


def test_who_lost_a_claim_neither_acknowledges_nor_gives_back(redis_client: redis.Redis) -> None:
    assert not acknowledge(redis_client, "gone", task_id="task")
    assert not give_back(redis_client, "gone", task_id="task")
    assert not redis_client.exists("free")
