"""What each worker looks after by itself: beat, the other workers, the outbox, its own clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from small_worker import SmallWorker

from pool_worker import redis_keys
from pool_worker.ledger.rows import AlertRow, EventRow
from pool_worker.maintenance.watchdog import (
    GONE_FOR,
    MISSING_FOR,
    NO_BEAT_FOR,
    OUTBOX_ROWS,
    Watch,
    check_clock,
    check_outbox,
    check_workers,
    look_after_all,
)
from pool_worker.rollout.presence import Presence, read_roll, say_alive, say_goodbye

A_SECOND = timedelta(seconds=1)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LOST = Presence("lost@host", 7, ("free", "free.groq"), NOON)


class Watcher:
    """A worker that looks around at times of the test's choice."""

    def __init__(self, worker: SmallWorker) -> None:
        self.worker = worker
        self.watch = Watch(worker.pool.now())
        self._seen = 0

    def later(self, by: timedelta) -> None:
        moment = self.worker.pool.now() + by
        self.worker.pool.now = lambda: moment

    def come(self, presence: Presence) -> None:
        self.worker.run(say_alive(self.worker.pool.redis, presence))

    def vanish(self, presence: Presence) -> None:
        self.worker.redis.delete(redis_keys.worker(presence.name))

    def told(self) -> list[str]:
        """What is told when it looks after the workers now."""
        self.worker.run(check_workers(self.worker.pool, self.watch))
        return self.new()

    def new(self) -> list[str]:
        """Alerts that were not asked for yet."""
        rows = self.worker.rows(AlertRow)[self._seen :]
        self._seen += len(rows)
        return [f"{row.severity}: {row.title}" for row in rows]

    def last(self) -> AlertRow:
        return self.worker.rows(AlertRow)[-1]


@pytest.fixture
def watcher(worker: SmallWorker) -> Watcher:
    watcher = Watcher(worker)
    watcher.come(worker.pool.presence)
    return watcher


# --- beat


def test_no_beat_is_told_after_a_minute_and_until_one_runs(watcher: Watcher) -> None:
    def look() -> list[str]:
        watcher.worker.run(look_after_all(watcher.worker.pool, watcher.watch))
        return [told for told in watcher.new() if "beat" in told]

    watcher.worker.pool.now = lambda: watcher.watch.beat_seen_at + NO_BEAT_FOR
    assert look() == []
    watcher.later(A_SECOND)
    assert (look(), look()) == (["critical: no beat is running"], [])
    watcher.worker.redis.set(redis_keys.BEAT_LOCK, "x")
    assert (look(), look()) == (["info: beat is running again"], [])
    watcher.worker.redis.delete(redis_keys.BEAT_LOCK)
    watcher.later(NO_BEAT_FOR)
    assert look() == []
    watcher.later(A_SECOND)
    assert look() == ["critical: no beat is running"]


# --- workers


def lose(watcher: Watcher) -> list[str]:
    watcher.come(LOST)
    watcher.vanish(LOST)
    told = watcher.told()
    watcher.later(MISSING_FOR)
    return told + watcher.told()


def test_a_worker_is_missed_after_a_while_and_told_of_once(watcher: Watcher) -> None:
    watcher.come(LOST)
    assert watcher.told() == []
    watcher.vanish(LOST)
    assert watcher.told() == []
    watcher.later(MISSING_FOR - A_SECOND)
    assert watcher.told() == []
    watcher.later(A_SECOND)
    assert watcher.told() == ["warning: worker lost@host is gone"]
    assert "others serve its queues" in watcher.last().message
    watcher.later(A_SECOND)
    assert watcher.told() == []


def test_it_is_critical_if_nobody_serves_its_queues(watcher: Watcher) -> None:
    watcher.vanish(watcher.worker.pool.presence)
    watcher.worker.redis.delete(redis_keys.WORKERS)
    assert lose(watcher) == ["critical: worker lost@host is gone"]
    assert "nobody serves free, free.groq now" in watcher.last().message


def test_it_is_over_when_it_is_there_again(watcher: Watcher) -> None:
    lose(watcher)
    watcher.come(LOST)
    assert watcher.told() == ["info: worker lost@host is missed no more"]
    assert watcher.told() == []


@pytest.mark.parametrize(("queues", "over"), [(("free", "free.groq", "paid"), True), (("free",), False)])
def test_it_is_over_when_another_has_come_in_its_place(watcher: Watcher, queues: tuple[str, ...], *, over: bool) -> None:
    lose(watcher)
    watcher.come(Presence("new@host", 8, queues, watcher.worker.pool.now() + A_SECOND))
    assert watcher.told() == (["info: worker lost@host is missed no more"] if over else [])
    if over:
        assert watcher.last().message == "new@host has come in its place"
        watcher.later(MISSING_FOR)
        assert watcher.told() == [], "it is not missed anew"


def test_after_a_day_nobody_waits_for_it(watcher: Watcher) -> None:
    lose(watcher)
    watcher.later(GONE_FOR + A_SECOND)
    assert watcher.told() == ["info: worker lost@host is missed no more"]
    watcher.later(GONE_FOR)
    assert watcher.told() == []


def test_who_leaves_in_order_is_not_missed(watcher: Watcher) -> None:
    watcher.come(LOST)
    watcher.worker.run(say_goodbye(watcher.worker.pool.redis, LOST))
    watcher.later(MISSING_FOR)
    assert watcher.told() == []
    present, absent = watcher.worker.run(read_roll(watcher.worker.pool.redis))
    assert ([each.name for each in present], absent) == ([watcher.worker.pool.presence.name], ())


def test_who_leaves_does_not_take_the_one_with_it_that_has_come_under_its_name(watcher: Watcher) -> None:
    successor = replace(LOST, since=NOON + A_SECOND)
    watcher.come(successor)
    watcher.worker.run(say_goodbye(watcher.worker.pool.redis, LOST))
    present, _ = watcher.worker.run(read_roll(watcher.worker.pool.redis))
    assert successor in present


# --- outbox


def test_many_rows_are_told_of_though_they_are_young(watcher: Watcher) -> None:
    worker = watcher.worker
    row = EventRow(event_id="1", agent_id="a", event_type="t", created_at=NOON).to_fields()
    with worker.redis.pipeline(transaction=False) as pipeline:
        for _ in range(OUTBOX_ROWS):
            pipeline.xadd(redis_keys.OUTBOX, dict(row))
        pipeline.execute()
    worker.run(check_outbox(worker.pool))
    assert worker.redis.xlen(redis_keys.OUTBOX) == OUTBOX_ROWS
    worker.redis.xadd(redis_keys.OUTBOX, dict(row))
    worker.run(check_outbox(worker.pool))
    assert worker.redis.xlen(redis_keys.OUTBOX) == OUTBOX_ROWS + 2


# --- clock


def test_a_clock_is_wrong_beyond_two_seconds_and_right_again_within_one(watcher: Watcher) -> None:
    worker, true_now = watcher.worker, watcher.worker.opened_with["now"]

    def off_by(seconds: float) -> list[str]:
        worker.pool.now = lambda: true_now() + timedelta(seconds=seconds)
        worker.run(check_clock(worker.pool))
        return watcher.new()

    assert off_by(1.8) == []
    assert off_by(-2.2) == ["warning: the clock of small@test is 2.2 s behind Redis's"]
    assert off_by(3) == []
    assert off_by(1.5) == [], "not right enough"
    assert off_by(0) == ["info: the clock of small@test is right again"]


def test_a_slow_answer_says_nothing_of_the_clock(watcher: Watcher) -> None:
    moments = iter([NOON, NOON + 2 * A_SECOND])
    watcher.worker.pool.now = lambda: next(moments)
    watcher.worker.run(check_clock(watcher.worker.pool))
    assert watcher.new() == []
