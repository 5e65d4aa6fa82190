"""Beat outlives whatever happens to Redis, and ticks again soon after."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from lab import Lab, until
from refusals import demote, fill, promote, relieve
from runs import StartLab, lasts

from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker import redis_keys


def ticks_again(lab: Lab) -> None:
    """Wait until a tick is sent. (No worker takes them here.)"""
    lab.survive(lambda: lab.redis.client.delete(MAINTENANCE_QUEUE) or True, within_s=5, what="an empty queue")
    lab.survive(
        lambda: lab.redis.client.llen(MAINTENANCE_QUEUE), within_s=20, what=lambda: f"a tick\n{lab.processes[-1].tail}\nit"
    )


def test_redis_dies_and_comes_back(start_lab: StartLab) -> None:
    lab = start_lab()
    beat = lab.start_beat()
    ticks_again(lab)
    lab.redis.kill()
    lasts(3)
    assert beat.is_alive, beat.tail
    lab.redis.start()
    ticks_again(lab)


def test_redis_is_emptied_and_the_lock_with_it(start_lab: StartLab) -> None:
    lab = start_lab()
    beat = lab.start_beat()
    ticks_again(lab)
    lab.redis.client.delete(redis_keys.BEAT_LOCK)
    until(lambda: lab.redis.client.exists(redis_keys.BEAT_LOCK), what=lambda: f"a lock\n{beat.tail}\nit")
    ticks_again(lab)
    assert beat.is_alive, beat.tail


@pytest.mark.parametrize(
    ("refuse", "accept", "at_start"),
    [(fill, relieve, True), (demote, promote, False)],
    ids=["full when it starts", "replica while it runs"],
)
def test_redis_refuses_writes(
    start_lab: StartLab, refuse: Callable[[redis.Redis], None], accept: Callable[[redis.Redis], None], *, at_start: bool
) -> None:
    lab = start_lab()
    if at_start:
        refuse(lab.redis.client)
        beat = lab.start_beat()
    else:
        beat = lab.start_beat()
        ticks_again(lab)
        refuse(lab.redis.client)
    lasts(2.5)
    assert beat.is_alive, beat.tail
    assert "Traceback" not in beat.tail
    accept(lab.redis.client)
    ticks_again(lab)
