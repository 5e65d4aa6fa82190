"""Fault 16: one of two beats is killed or frozen; the other takes over in time, and each period has one tick."""

from __future__ import annotations

import json
import time
from datetime import datetime
from itertools import pairwise

import pytest
from lab import Lab, until
from runs import IS_FULL, StartLab, lasts, tell

from beat_schedule import BEAT_SCHEDULE, CADENCE_S
from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker.cli.celery_commands import beat_module

TAKEN_OVER_WITHIN_S = 35.0
WRITER = "pool.write_ledger"
"""The task with the shortest period."""

pytestmark = pytest.mark.skipif(not IS_FULL, reason="a beat's lock lasts half a minute")


def next_tick_s(lab: Lab) -> float:
    """In how many seconds the next tick is sent. (No worker takes them here.)"""
    began = time.monotonic()
    lab.redis.client.delete(MAINTENANCE_QUEUE)
    until(lambda: lab.redis.client.llen(MAINTENANCE_QUEUE), within_s=TAKEN_OVER_WITHIN_S + 20, what="a tick")
    return time.monotonic() - began


def sent_at(lab: Lab, *, for_s: float) -> list[float]:
    """When the writer's ticks of the next seconds were sent."""
    lab.redis.client.delete(MAINTENANCE_QUEUE)
    found: list[float] = []
    until_s = time.monotonic() + for_s
    while time.monotonic() < until_s:
        lasts(0.1)
        while message := lab.redis.client.rpop(MAINTENANCE_QUEUE):
            headers = json.loads(message)["headers"]
            if headers["task"] == WRITER:
                expires = datetime.fromisoformat(headers["expires"]).timestamp()
                found.append(expires - BEAT_SCHEDULE[WRITER]["options"]["expires"])
    return sorted(found)


@pytest.mark.timeout(200)
def test_another_beat_takes_over_from_one_that_is_killed_or_frozen(start_lab: StartLab) -> None:
    lab = start_lab()
    first = lab.start_beat()
    next_tick_s(lab)
    second = lab.start_process("beat-2", beat_module())
    lasts(5)
    first.kill()
    killed_s = next_tick_s(lab)

    lab.start_process("beat-3", beat_module())
    lasts(5)
    second.freeze()
    frozen_s = next_tick_s(lab)
    second.thaw()
    gaps_s = [later - earlier for earlier, later in pairwise(sent_at(lab, for_s=20))]
    tell(f"fault 16: taken over {killed_s:.1f} s after a kill, {frozen_s:.1f} s after a freeze; ticks {min(gaps_s):.2f} s apart")
    assert max(killed_s, frozen_s) <= TAKEN_OVER_WITHIN_S
    assert min(gaps_s) > 0.9 * CADENCE_S[WRITER], "each period once"
