"""Beat: what it runs is there, keeps its time, and goes on when a beat dies."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise

import pytest
import redis
from at_work import Start, until

from beat_schedule import BEAT_SCHEDULE
from pool_client import redis_keys as shared_keys
from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker import redis_keys
from pool_worker.app import PoolApp, app
from pool_worker.broker.ticks import WAITING_AT_MOST, TickScheduler
from pool_worker.settings import Settings

WRITER = "pool.write_ledger"


def sent_at(client: redis.Redis) -> list[float]:
    """When the ledger writer's ticks that wait were sent."""
    headers = [json.loads(message)["headers"] for message in client.lrange(MAINTENANCE_QUEUE, 0, -1)]
    life_s = BEAT_SCHEDULE[WRITER]["options"]["expires"]
    return sorted(datetime.fromisoformat(each["expires"]).timestamp() - life_s for each in headers if each["task"] == WRITER)


def test_every_task_of_the_schedule_is_there() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in BEAT_SCHEDULE.values()} <= set(app.tasks)


def test_one_beat_keeps_time_and_another_takes_over(start_python: Start, redis_url: str, redis_client: redis.Redis) -> None:
    first = start_python("quick_beat", MODEL_POOL_REDIS_URL=redis_url)
    until(lambda: redis_client.exists(redis_keys.BEAT_LOCK))
    owner = redis_client.get(redis_keys.BEAT_LOCK)
    second = start_python("quick_beat", MODEL_POOL_REDIS_URL=redis_url)
    until(lambda: len(sent_at(redis_client)) >= 3)
    gaps_s = [later - earlier for earlier, later in pairwise(sent_at(redis_client))]
    assert min(gaps_s) > 0.9, "only one is active"
    assert sum(gaps_s) / len(gaps_s) < 1.2
    assert redis_client.get(redis_keys.BEAT_LOCK) == owner
    others = {MAINTENANCE_QUEUE, shared_keys.bell(MAINTENANCE_QUEUE)}
    assert {key for key in redis_client.scan_iter() if not key.startswith(redis_keys.BEAT_PREFIX)} == others

    first.kill()
    until(lambda: redis_client.get(redis_keys.BEAT_LOCK) not in {owner, None})
    redis_client.delete(MAINTENANCE_QUEUE)
    until(lambda: sent_at(redis_client))

    second.terminate()
    assert second.wait(10) == 0
    assert not redis_client.exists(redis_keys.BEAT_LOCK), "who leaves lets go at once"


@pytest.fixture
def scheduler(redis_url: str) -> TickScheduler:
    """Beat's scheduler without a process around it; nothing has been sent for long."""
    own = PoolApp(Settings(redis_url=redis_url))
    own.conf.redbeat_lock_key = None
    scheduler = TickScheduler(app=own)
    for entry in scheduler.schedule.values():
        entry.reschedule(last_run_at=datetime.fromisoformat("2026-01-01T00:00:00+00:00"))
    return scheduler


def test_ticks_that_nobody_takes_do_not_pile_up(scheduler: TickScheduler, redis_client: redis.Redis) -> None:
    redis_client.rpush(MAINTENANCE_QUEUE, *["a tick"] * WAITING_AT_MOST)
    scheduler.tick()
    assert redis_client.llen(MAINTENANCE_QUEUE) == WAITING_AT_MOST


def test_ticks_are_sent_while_somebody_takes_them(scheduler: TickScheduler, redis_client: redis.Redis) -> None:
    redis_client.rpush(MAINTENANCE_QUEUE, *["a tick"] * (WAITING_AT_MOST - 1))
    scheduler.tick()
    assert redis_client.llen(MAINTENANCE_QUEUE) == WAITING_AT_MOST
