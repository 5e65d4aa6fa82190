"""Whatever happens in whatever order, a message is in exactly one place: its list, claimed, parked, or done."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from pool_client import redis_keys as shared_keys
from pool_client.queues import KOMBU_SEPARATOR, list_names
from pool_worker import redis_keys
from pool_worker.broker.messages import renew, sweep
from pool_worker.lua import read_script

LEASE_MS = 1_000
QUEUES = ("free", "free.groq")
LISTS = [name for queue in QUEUES for name in list_names(queue)]
MESSAGE_KEYS = [redis_keys.UNACKED, redis_keys.UNACKED_INDEX, redis_keys.DELIVERIES]


def message(job_id: str) -> str:
    return json.dumps({"body": "", "headers": {"id": job_id}, "properties": {}})


@dataclass
class Broker:
    """The scripts as a worker calls them, on a clock that the test sets."""

    client: redis.Redis
    now_ms: int = 1_000_000
    claims: int = 0
    held: dict[str, str] = field(default_factory=dict)

    def run(self, name: str, keys: list[str], *arguments: Any) -> Any:
        return self.client.register_script(read_script("pool_worker.broker", name))(keys=keys, args=list(arguments))

    def submit(self, job_id: str, list_name: str) -> None:
        self.client.lpush(list_name, message(job_id))
        self.client.hset(shared_keys.job(job_id), mapping={"state": "queued", "spec": "{}"})

    def claim(self, limit: int = 1) -> list[tuple[str, str, int]]:
        self.claims += 1
        _, *flat = self.run("claim", [*MESSAGE_KEYS, *LISTS], LEASE_MS, limit, f"tag{self.claims}.", "", self.now_ms)
        claimed = [(flat[i], json.loads(flat[i + 3])["headers"]["id"], flat[i + 2]) for i in range(0, len(flat), 4)]
        self.held |= {tag: job_id for tag, job_id, _ in claimed}
        return claimed

    def renew(self, *tags: str) -> list[str]:
        return renew(self.client, tags, lease_ms=LEASE_MS, now_ms=self.now_ms)

    def sweep(self, *, after_a_gap: bool = False) -> int:
        """As a keeper that looks often; or for the first time since long."""
        if not after_a_gap:
            self.client.set(redis_keys.SWEPT_AT, self.now_ms)
        return sweep(self.client, lease_ms=LEASE_MS, now_ms=self.now_ms)

    def open(self, tag: str, job_id: str) -> str:
        return self.run("open", [shared_keys.job(job_id), redis_keys.UNACKED], tag, "worker", self.now_ms)[0]

    def ack(self, tag: str) -> int:
        return self.run("ack", MESSAGE_KEYS, tag, self.held[tag])

    def requeue(self, tag: str) -> int:
        return self.run("requeue", MESSAGE_KEYS, tag, self.held[tag])

    def move(self, tag: str, queue: str, place: str = "last") -> int:
        job_id = self.held[tag]
        keys = [*MESSAGE_KEYS, shared_keys.job(job_id)]
        return self.run("move", keys, tag, job_id, queue, KOMBU_SEPARATOR, "[]", place)

    def park(self, tag: str, due_ms: int) -> int:
        job_id = self.held[tag]
        keys = [*MESSAGE_KEYS, shared_keys.job(job_id), *redis_keys.PARKED_KEYS, redis_keys.parked_lane("lane")]
        times = [due_ms, "", ""]
        return self.run("park", keys, tag, job_id, *times, "lane", "why", "[]", job_id, 1, KOMBU_SEPARATOR, "", self.now_ms)

    def release_due(self) -> int:
        prefixes = [shared_keys.job(""), redis_keys.parked_lane(""), redis_keys.parked_due("")]
        return self.run("release_due", [*redis_keys.PARKED_KEYS], "worker", *prefixes, KOMBU_SEPARATOR, self.now_ms)[0]

    def finish(self, tag: str) -> int:
        job_id = self.held[tag]
        keys = [
            *MESSAGE_KEYS,
            shared_keys.job(job_id),
            shared_keys.result(job_id),
            redis_keys.OUTBOX,
            *("none",) * 3,
        ]
        arguments = [tag, job_id, "succeeded", "{}", 60_000, "[]", "", self.now_ms, "", "{}", job_id, "{}", "job", job_id, "{}"]
        return self.client.register_script(read_script("pool_worker.completion", "finish"))(keys=keys, args=arguments)

    def queued(self) -> list[str]:
        return [json.loads(text)["headers"]["id"] for name in LISTS for text in self.client.lrange(name, 0, -1)]

    def unacked(self) -> list[str]:
        entries = self.client.hvals(redis_keys.UNACKED)
        return [json.loads(entry.partition("\n")[2])["headers"]["id"] for entry in entries]


@pytest.fixture
def broker(redis_client: redis.Redis) -> Broker:
    return Broker(redis_client)


def test_the_most_urgent_is_claimed_first_and_the_oldest_of_them(broker: Broker) -> None:
    low, normal, urgent = LISTS[3], LISTS[2], LISTS[0]
    for job_id, name in [("low", low), ("first", normal), ("second", normal), ("urgent", urgent)]:
        broker.submit(job_id, name)
    assert [job_id for _, job_id, _ in broker.claim(limit=4)] == ["urgent", "first", "second", "low"]


def test_a_dead_workers_message_comes_back_to_the_head_when_its_lease_ends(broker: Broker) -> None:
    broker.submit("held", LISTS[0])
    [(tag, _, _)] = broker.claim()
    broker.submit("later", LISTS[0])
    broker.now_ms += LEASE_MS - 1
    assert broker.sweep() == 0
    assert broker.renew(tag) == []
    broker.now_ms += LEASE_MS - 1
    assert broker.sweep() == 0, "the lease was renewed"
    broker.now_ms += 1
    assert broker.sweep() == 1
    assert [(job_id, deliveries) for _, job_id, deliveries in broker.claim(limit=2)] == [("held", 2), ("later", 1)]


@pytest.mark.parametrize("step", ["ack", "requeue", "finish"])
def test_who_lost_the_claim_can_do_nothing_any_more(broker: Broker, step: str) -> None:
    broker.submit("job", LISTS[0])
    [(stale, _, _)] = broker.claim()
    broker.now_ms += LEASE_MS
    broker.sweep()
    [(fresh, _, _)] = broker.claim()
    assert getattr(broker, step)(stale) == 0
    assert broker.move(stale, "free.groq") == 0
    assert broker.park(stale, 0) == 0
    assert broker.renew(stale, fresh) == [stale]
    assert broker.unacked() == ["job"]
    assert broker.queued() == []
    assert broker.finish(fresh) == 1
    assert broker.client.hget(shared_keys.job("job"), "state") == "succeeded"


def test_after_a_gap_between_sweeps_whoever_is_alive_gets_the_time_to_renew(broker: Broker) -> None:
    for job_id in ("alive", "dead"):
        broker.submit(job_id, LISTS[0])
    [(alive, _, _), (_, _, _)] = broker.claim(limit=2)
    broker.now_ms += 10 * LEASE_MS
    assert broker.sweep(after_a_gap=True) == 0
    assert broker.renew(alive) == []
    broker.now_ms += LEASE_MS // 3 + 1
    assert broker.sweep(after_a_gap=True) == 1
    assert broker.queued() == ["dead"]


def test_a_gap_spares_however_many_are_held(broker: Broker) -> None:
    for number in range(600):
        broker.submit(f"job{number}", LISTS[0])
    broker.claim(limit=600)
    broker.now_ms += 10 * LEASE_MS
    assert broker.sweep(after_a_gap=True) == 0
    broker.now_ms += 1
    assert broker.sweep() == 0


def test_a_second_message_for_a_job_that_is_being_worked_on_opens_nothing(broker: Broker) -> None:
    broker.submit("job", LISTS[0])
    broker.client.lpush(LISTS[0], message("job"))
    [(first, _, _), (second, _, _)] = broker.claim(limit=2)
    assert broker.open(first, "job") == "queued"
    assert broker.open(second, "job") == "lost"
    assert broker.open(first, "job") == "running", "asked twice, because the answer was lost"
    broker.requeue(first)
    assert broker.open(second, "job") == "running", "the first is nobody's now"


@pytest.mark.parametrize(("place", "order"), [("last", ["waiting", "job"]), ("first", ["job", "waiting"])])
def test_a_moved_job_keeps_its_priority_and_goes_ahead_only_after_a_failed_call(
    broker: Broker, place: str, order: list[str]
) -> None:
    broker.submit("waiting", list_names("free.groq")[1])
    broker.submit("job", list_names("free")[1])
    tag = next(tag for tag, job_id, _ in broker.claim(limit=2) if job_id == "job")
    for other in [other for other in broker.held if other != tag]:
        broker.requeue(other)
    assert broker.move(tag, "free.groq", place) == 1
    assert broker.client.hmget(shared_keys.job("job"), "queue", "hops", "state") == ["free.groq", "1", "queued"]
    assert [job_id for _, job_id, _ in broker.claim(limit=2)] == order


def test_a_job_finishes_once_and_its_caller_is_told(broker: Broker) -> None:
    broker.submit("job", LISTS[0])
    [(tag, _, _)] = broker.claim()
    with broker.client.pubsub() as listener:
        listener.subscribe(shared_keys.result("job"))
        assert listener.get_message(timeout=5)
        assert broker.finish(tag) == 1
        told = listener.get_message(timeout=5)
        assert told is not None
        assert told["data"] == "{}"
    assert broker.finish(tag) == 0
    assert broker.client.xlen(redis_keys.OUTBOX) == 1
    assert broker.client.pttl(shared_keys.job("job")) > 0


def test_claiming_only_some_rings_the_bell_for_the_rest(broker: Broker) -> None:
    for job_id in ("a", "b"):
        broker.submit(job_id, LISTS[0])
    broker.claim()
    assert broker.client.llen(shared_keys.bell(LISTS[0])) == 1


class MessageMoves(RuleBasedStateMachine):
    """Random steps of several workers and of time, against the set of jobs that were submitted and not yet done."""

    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.broker = Broker(self.client)
        self.alive: set[str] = set()
        self.submitted = 0

    @rule(name=st.sampled_from(LISTS))
    def submit(self, name: str) -> None:
        self.submitted += 1
        self.broker.submit(f"job{self.submitted}", name)
        self.alive.add(f"job{self.submitted}")

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        self.broker.claim(limit)

    @rule(ms=st.integers(1, 2 * LEASE_MS))
    def time_goes_on(self, ms: int) -> None:
        self.broker.now_ms += ms

    @rule()
    def sweep(self) -> None:
        self.broker.sweep()

    @rule()
    def release_due(self) -> None:
        self.broker.release_due()

    @precondition(lambda self: self.broker.held)
    @rule(data=st.data(), step=st.sampled_from(["ack", "finish", "requeue", "renew", "move", "park"]))
    def act(self, data: st.DataObject, step: str) -> None:
        tag = data.draw(st.sampled_from(sorted(self.broker.held)))
        extra = {"move": ["free.groq"], "park": [self.broker.now_ms + 500]}.get(step, [])
        done = getattr(self.broker, step)(tag, *extra)
        if step in {"ack", "finish"} and done:
            self.alive.remove(self.broker.held[tag])

    @invariant()
    def every_parked_job_will_be_looked_at(self) -> None:
        seats = self.client.zrange(redis_keys.parked_due("lane"), 0, -1) if self.client.exists(redis_keys.PARKED_LANES) else []
        looked_at = {*self.client.zrange(shared_keys.PARKED_TIMERS, 0, -1), *(seat.partition(":")[2] for seat in seats)}
        assert set(self.client.hkeys(redis_keys.PARKED_MESSAGES)) <= looked_at

    @invariant()
    def every_job_is_in_exactly_one_place(self) -> None:
        parked = self.client.hkeys(redis_keys.PARKED_MESSAGES)
        assert sorted(parked) == sorted(self.client.zrange(redis_keys.PARKED, 0, -1))
        assert self.client.hlen(redis_keys.UNACKED) == self.client.zcard(redis_keys.UNACKED_INDEX)
        assert sorted(self.broker.queued() + self.broker.unacked() + parked) == sorted(self.alive)


def test_a_message_is_always_in_exactly_one_place(redis_client: redis.Redis) -> None:
    machine = type("Machine", (MessageMoves,), {"client": redis_client})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
    )
