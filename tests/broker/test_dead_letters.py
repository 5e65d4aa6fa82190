"""Messages that cannot be worked on: kept with the reason, their jobs ended, and brought back or dropped by a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import given, settings

from pool_client import InvalidRequestError, JobHandle, Pool, Progress
from pool_client import redis_keys as shared_keys
from pool_client.errors import CompletionError, ConfigurationError, JobCancelledError
from pool_client.job import JobState, Priority, Tier
from pool_client.queues import list_name
from pool_worker import redis_keys
from pool_worker.broker.burying import bury
from pool_worker.broker.dead_letters import REVIVED, UNKNOWN, DeadLetter, DeadLetters
from pool_worker.broker.reading import UndeliverableError
from pool_worker.ledger.rows import JobRow, row_from_fields
from pool_worker.lua import read_script

LEASE_MS = 1_000
LIST = list_name("free", 6)
BROKEN = UndeliverableError("it is broken")
POISON = UndeliverableError("3 workers died", told_as=CompletionError)
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
AT_MS = round(AT.timestamp() * 1000)


@dataclass
class Graveyard:
    """A worker that buries, a caller, and the person who looks after what is buried."""

    redis: redis.Redis
    pool: Pool
    letters: DeadLetters
    claims: int = 0
    tags: list[str] = field(default_factory=list)

    def put(self, message: bytes | str, *, name: str = LIST) -> None:
        self.redis.lpush(name, message)

    def claim(self, name: str = LIST) -> str:
        """The tag of the claim on the first message of a list."""
        self.claims += 1
        script = self.redis.register_script(read_script("pool_worker.broker", "claim"))
        keys = [*redis_keys.MESSAGE_KEYS, name]
        _, tag, *_ = script(keys=keys, args=[LEASE_MS, 1, f"claim{self.claims}.", ""])
        return tag.decode()

    def bury(self, message: bytes | str, why: UndeliverableError = BROKEN, *, now_ms: int = AT_MS) -> str | None:
        """A message comes and is buried."""
        self.put(message)
        return bury(self.redis, tag=self.claim(), why=why, now_ms=now_ms)

    def letter(self, letter_id: str) -> DeadLetter:
        found = self.letters.find(letter_id)
        assert found is not None
        return found

    def rows(self) -> list[JobRow]:
        entries = ({name.decode(): value.decode() for name, value in fields.items()} for _, fields in self.outbox())
        return [row for row in map(row_from_fields, entries) if isinstance(row, JobRow)]

    def outbox(self) -> list[Any]:
        return self.redis.xrange(redis_keys.OUTBOX)

    def state(self, job: JobHandle) -> str:
        return self.redis.hget(shared_keys.job(job.id), "state").decode()

    def nothing_is_claimed(self) -> bool:
        return not self.redis.exists(*redis_keys.MESSAGE_KEYS)


@pytest.fixture
def yard(redis_url: str) -> Iterator[Graveyard]:
    with redis.Redis.from_url(redis_url) as client, Pool(agent="log_analyzer", redis_url=redis_url) as pool:
        yield Graveyard(client, pool, DeadLetters(client))


def envelope(task_id: str = "t1", **headers: Any) -> str:
    return json.dumps({"body": "", "headers": {"id": task_id, "task": "report"} | headers, "properties": {}})


# --- burying


@settings(max_examples=60, deadline=None, derandomize=True)
@given(message=st.binary(max_size=200))
def test_any_bytes_are_kept_as_they_are_and_come_back_so(redis_server: Any, message: bytes) -> None:
    with redis.Redis.from_url(redis_server.url) as client, Pool(redis_url=redis_server.url) as pool:
        client.flushall()
        yard = Graveyard(client, pool, DeadLetters(client))
        letter_id = yard.bury(message)
        assert letter_id is not None
        assert yard.letters.message(letter_id) == message
        assert yard.nothing_is_claimed()
        assert not yard.redis.exists(LIST)
        assert yard.letters.revive(yard.letter(letter_id)) == REVIVED
        assert yard.redis.lrange(LIST, 0, -1) == [message]
        assert yard.letters.count() == 0


def test_a_dead_letter_tells_what_can_be_read(yard: Graveyard) -> None:
    assert yard.bury(envelope("t1"), now_ms=AT_MS) == "t1"
    letter = yard.letter("t1")
    assert letter.age_s > 0
    assert letter == DeadLetter(
        id="t1",
        reason="it is broken",
        buried_at=AT,
        age_s=letter.age_s,
        queue="free",
        task="report",
        task_id="t1",
        job_id=None,
        deliveries=1,
    )


def test_deliveries_are_told_and_forgotten(yard: Graveyard) -> None:
    yard.redis.hset(redis_keys.DELIVERIES, "t1", 3)
    yard.bury(envelope("t1"), POISON)
    assert yard.letter("t1").deliveries == 4
    assert yard.nothing_is_claimed()


def test_redis_says_what_time_it_is(yard: Graveyard) -> None:
    yard.put(envelope("t1"))
    bury(yard.redis, tag=yard.claim(), why=BROKEN)
    assert 0 <= yard.letter("t1").age_s < 60


def test_a_second_one_of_the_same_id_does_not_replace_the_first(yard: Graveyard) -> None:
    yard.bury(envelope("t1"))
    second = yard.bury(envelope("t1"))
    assert second not in {"t1", None}
    assert yard.letters.ids() == sorted(["t1", str(second)])


def test_of_what_expires_the_latest_of_each_kind_is_kept(yard: Graveyard) -> None:
    for number in range(5):
        tick = envelope(f"tick{number}", task="pool.of_tomorrow", expires="2026-05-04T03:02:31+00:00")
        assert yard.bury(tick, now_ms=AT_MS + number) == "pool.of_tomorrow"
    assert yard.letters.count() == 1
    assert yard.letter("pool.of_tomorrow").task_id == "tick4"


def test_who_lost_the_claim_buries_nothing(yard: Graveyard) -> None:
    job = yard.pool.submit("Why?")
    tag = yard.claim()
    yard.redis.hdel(redis_keys.UNACKED, tag)
    assert bury(yard.redis, tag=tag, why=BROKEN) is None
    assert yard.letters.count() == 0
    assert yard.state(job) == "queued"


# --- jobs


def buried(yard: Graveyard, why: UndeliverableError = POISON, *, state: str = "running", **options: Any) -> JobHandle:
    job = yard.pool.submit("Why?", **options)
    yard.redis.hset(shared_keys.job(job.id), "state", state)
    assert bury(yard.redis, tag=yard.claim(list_name("free", 6)), why=why) == job.id
    return job


@pytest.mark.parametrize("why", [POISON, BROKEN])
def test_its_job_ends_and_its_caller_is_told(yard: Graveyard, why: UndeliverableError) -> None:
    job = yard.pool.submit("Why?")
    with yard.redis.pubsub() as listener:
        listener.subscribe(shared_keys.result(job.id))
        assert listener.get_message(timeout=5)
        assert bury(yard.redis, tag=yard.claim(), why=why) == job.id
        told = listener.get_message(timeout=5)
        assert told is not None
        assert told["data"] == yard.redis.get(shared_keys.result(job.id))
    with pytest.raises(why.told_as, match=f"{why.reason}; it is kept as a dead letter: `model-pool dead retry {job.id}`"):
        job.result(timeout=5)
    assert job.status().state is JobState.FAILED
    assert yard.letter(job.id).job_id == job.id
    assert yard.nothing_is_claimed()


def test_its_job_stands_in_the_books(yard: Graveyard) -> None:
    job = buried(yard)
    [row] = yard.rows()
    assert (row.job_id, row.state, row.agent, row.error_type) == (job.id, JobState.FAILED, "log_analyzer", "CompletionError")


def test_a_job_of_another_release_stands_in_the_books_too(yard: Graveyard) -> None:
    job = yard.pool.submit("Why?", priority="high", tier="paid")
    yard.redis.hset(shared_keys.job(job.id), mapping={"spec": "{}", "trail": '[{"mood": "good"}]'})
    assert bury(yard.redis, tag=yard.claim(list_name("paid", 3)), why=BROKEN) == job.id
    [row] = yard.rows()
    assert (row.job_id, row.priority, row.tier, row.agent) == (job.id, Priority.HIGH, Tier.PAID, "log_analyzer")
    with pytest.raises(ConfigurationError, match="it is broken"):
        job.result(timeout=5)


def test_what_it_leaves_stays_as_long_as_the_dead_letter(yard: Graveyard) -> None:
    job = buried(yard, idempotency_key="once")
    names = [shared_keys.job(job.id), shared_keys.result(job.id)]
    assert [yard.redis.ttl(name) for name in names] == [-1, -1]
    assert yard.pool.submit("Why?", idempotency_key="once").id == job.id
    assert yard.letters.drop(yard.letter(job.id))
    assert all(0 < yard.redis.pttl(name) <= shared_keys.RESULT_TTL_MS for name in names)


def test_its_idempotency_key_stands_for_it_for_as_long_as_after_any_end(yard: Graveyard) -> None:
    job = yard.pool.submit("Why?", idempotency_key="once")
    name = shared_keys.idempotency("log_analyzer", "once")
    yard.redis.delete(name)
    assert bury(yard.redis, tag=yard.claim(), why=POISON) == job.id
    assert yard.redis.get(name) == job.id.encode()
    assert 0 < yard.redis.pttl(name) <= shared_keys.RESULT_TTL_MS


def test_a_batch_counts_a_dead_letter_as_failed_until_it_is_retried(yard: Graveyard) -> None:
    buried(yard, batch="nightly")
    assert yard.pool.progress("nightly") == Progress(jobs=1, failed=1)
    assert 0 < yard.redis.pttl(shared_keys.batch("nightly")) <= shared_keys.RESULT_TTL_MS
    [letter] = yard.letters.ids()
    assert yard.letters.revive(yard.letter(letter)) == REVIVED
    assert yard.pool.progress("nightly") == Progress(jobs=1)
    assert yard.redis.pttl(shared_keys.batch("nightly")) == -1


def test_a_batch_that_is_over_for_long_is_not_counted_again(yard: Graveyard) -> None:
    """Nor is another one that has taken its name meanwhile."""
    job = buried(yard, batch="nightly")
    yard.redis.delete(shared_keys.batch("nightly"))  # as time does
    assert yard.letters.revive(yard.letter(job.id)) == REVIVED
    with pytest.raises(InvalidRequestError, match="nightly"):
        yard.pool.progress("nightly")
    yard.pool.submit("Another", batch="nightly")
    job.cancel()
    assert yard.pool.progress("nightly") == Progress(jobs=1)


def test_a_job_whose_caller_has_asked_to_cancel_it_is_cancelled(yard: Graveyard) -> None:
    job = yard.pool.submit("Why?")
    yard.redis.hset(shared_keys.job(job.id), mapping={"state": "running", "cancel": "1"})
    assert bury(yard.redis, tag=yard.claim(), why=POISON) is None
    with pytest.raises(JobCancelledError):
        job.result(timeout=5)
    assert yard.redis.pttl(shared_keys.job(job.id)) > 0
    assert [row.state for row in yard.rows()] == [JobState.CANCELLED]
    assert yard.letters.count() == 0
    assert yard.nothing_is_claimed()


def test_a_job_that_was_cancelled_while_it_waited_stands_in_the_books(yard: Graveyard) -> None:
    job = yard.pool.submit("Why?")
    job.cancel()
    outcome = yard.redis.get(shared_keys.result(job.id))
    assert bury(yard.redis, tag=yard.claim(), why=POISON) is None
    assert yard.redis.get(shared_keys.result(job.id)) == outcome
    assert [row.state for row in yard.rows()] == [JobState.CANCELLED]
    assert yard.nothing_is_claimed()


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_a_job_that_has_ended_needs_no_dead_letter(yard: Graveyard, state: str) -> None:
    job = yard.pool.submit("Why?")
    yard.redis.hset(shared_keys.job(job.id), "state", state)
    assert bury(yard.redis, tag=yard.claim(), why=POISON) is None
    assert yard.state(job) == state
    assert yard.outbox() == []
    assert yard.letters.count() == 0
    assert yard.nothing_is_claimed()


def test_a_job_in_a_state_of_another_release_stays_in_it(yard: Graveyard) -> None:
    job = yard.pool.submit("Why?")
    yard.redis.hset(shared_keys.job(job.id), "state", "dreaming")
    assert bury(yard.redis, tag=yard.claim(), why=BROKEN) == job.id
    assert yard.state(job) == "dreaming"
    assert yard.letter(job.id).job_id is None
    assert yard.letters.revive(yard.letter(job.id)) == REVIVED


def test_a_chains_link_to_a_job_ends_that_job(yard: Graveyard) -> None:
    job = yard.pool.submit("Why?")
    link = json.loads(yard.redis.rpop(LIST))
    link["headers"]["id"] = "link"
    assert yard.bury(json.dumps(link), POISON) == "link"
    assert yard.letter("link").job_id == job.id
    assert yard.state(job) == "failed"


# --- another chance


def test_a_revived_job_waits_at_the_tail_as_if_it_were_new(yard: Graveyard) -> None:
    job = buried(yard, idempotency_key="once")
    before = yard.letters.message(job.id)
    waiting = yard.pool.submit("Me first")
    yard.redis.hset(redis_keys.DELIVERIES, job.id, 2)
    assert yard.letters.revive(yard.letter(job.id)) == REVIVED
    assert yard.redis.lindex(LIST, 0) == before
    assert json.loads(yard.redis.lindex(LIST, -1))["headers"]["id"] == waiting.id
    assert yard.redis.exists(shared_keys.bell(LIST))
    assert not yard.redis.exists(redis_keys.DELIVERIES, redis_keys.DEAD_LETTERS, redis_keys.dead_letter(job.id))
    status = yard.pool.status(job.id)
    assert (status.state, status.queue, status.finished_at) == (JobState.QUEUED, "free", None)
    assert yard.pool.peek(job.id) is None
    lasting = [shared_keys.job(job.id), shared_keys.idempotency("log_analyzer", "once")]
    assert [yard.redis.ttl(name) for name in lasting] == [-1, -1], "until it has ended"
    assert yard.pool.submit("Why?", idempotency_key="once").id == job.id


def test_a_revived_job_can_be_cancelled(yard: Graveyard) -> None:
    job = buried(yard)
    yard.letters.revive(yard.letter(job.id))
    assert yard.pool.cancel(job.id) is JobState.CANCELLED


def test_a_job_that_is_no_longer_as_it_was_left_is_not_touched(yard: Graveyard) -> None:
    job = buried(yard)
    letter = yard.letter(job.id)
    yard.redis.hset(shared_keys.job(job.id), "state", "succeeded")
    assert yard.letters.revive(letter) == "succeeded"
    yard.redis.delete(shared_keys.job(job.id))
    assert yard.letters.revive(letter) == "forgotten"
    assert yard.letters.count() == 1
    assert not yard.redis.exists(LIST)


def test_one_that_is_gone_is_neither_revived_nor_dropped_again(yard: Graveyard) -> None:
    yard.bury(envelope("t1"))
    letter = yard.letter("t1")
    assert yard.letters.revive(letter) == REVIVED
    assert yard.letters.revive(letter) == UNKNOWN
    assert not yard.letters.drop(letter)
    assert yard.redis.llen(LIST) == 1


# --- looking


def test_the_newest_are_listed_first_and_all_ids_oldest_first(yard: Graveyard) -> None:
    for number in range(4):
        yard.bury(envelope(f"t{number}"), now_ms=AT_MS + number)
    assert [letter.id for letter in yard.letters.newest(limit=3)] == ["t3", "t2", "t1"]
    assert yard.letters.ids() == ["t0", "t1", "t2", "t3"]
    assert yard.letters.count() == 4


def test_nothing_is_found_where_nothing_is(yard: Graveyard) -> None:
    assert yard.letters.newest(limit=9) == []
    assert yard.letters.find("t1") is None
    assert yard.letters.message("t1") is None
