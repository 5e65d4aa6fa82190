"""Alerts reach their targets once, are tried again where they were not taken, and each try is in the ledger."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest
from receiver_fixture import Mailbox, Webhook
from small_worker import SmallWorker
from sqlalchemy import select

from pool_worker import redis_keys
from pool_worker.alert_rules import AlertRules, AlertTarget, DigestRules, QuietHours, Severity
from pool_worker.alerts import resolve, tell
from pool_worker.alerts.plan import TRY_AGAIN_S
from pool_worker.ledger.tables import alert_deliveries
from pool_worker.maintenance.books import write_ledger
from pool_worker.maintenance.deliveries import deliver_alerts, is_our_turn
from pool_worker.registry import PoolRules

A_SECOND = timedelta(seconds=1)
CAUSES = ["one", "two", "three", "four", "five", "six", "seven"]


def route(worker: SmallWorker, *targets: AlertTarget, **rules: Any) -> None:
    worker.configure(rules=PoolRules(alerts=AlertRules(targets=targets, **rules)))
    whole_second = worker.pool.now().replace(microsecond=0)
    worker.pool.now = lambda: whole_second


def begins(worker: SmallWorker, cause: str = "groq", *, severity: Severity = "warning") -> None:
    words = {"source": "health", "title": f"{cause} is down", "message": "it answered 503"}
    worker.run(tell(worker.pool.redis, severity=severity, cause=cause, now=worker.pool.now(), **words))


def ends(worker: SmallWorker, cause: str = "groq") -> None:
    words = {"source": "health", "title": f"{cause} is up again", "message": "it answers"}
    worker.run(resolve(worker.pool.redis, cause=cause, now=worker.pool.now(), **words))


def later(worker: SmallWorker, by: timedelta) -> None:
    moment = worker.pool.now() + by
    worker.pool.now = lambda: moment


def deliver(worker: SmallWorker) -> list[int]:
    """How many messages are taken now, and how many if the same is done again."""
    return [worker.run(deliver_alerts(worker.pool)) for _ in range(2)]


def booked(worker: SmallWorker) -> list[tuple[Any, ...]]:
    """Target, try, whether it was taken, whether it was the last."""
    worker.run(write_ledger(worker.pool))
    columns = (alert_deliveries.c[name] for name in ("target", "attempt", "ok", "is_last"))
    with worker.pool.books.engine.connect() as connection:
        found = connection.execute(select(*columns).order_by(alert_deliveries.c.at, alert_deliveries.c.target))
        return [tuple(row) for row in found]


def test_each_target_is_told_once_and_once_that_it_is_over(worker: SmallWorker, mailbox: Mailbox, webhook: Webhook) -> None:
    route(worker, mailbox.target, webhook.target)
    later(worker, -A_SECOND)
    begins(worker)
    assert deliver(worker) == [2, 0]
    assert mailbox.titles == webhook.titles == ["warning: groq is down"]
    later(worker, A_SECOND)
    ends(worker)
    assert deliver(worker) == [2, 0]
    assert mailbox.titles == webhook.titles == ["warning: groq is down", "resolved: groq is up again"]
    assert booked(worker) == [("hook", 1, True, False), ("mail", 1, True, False)] * 2
    assert "it answered 503" in mailbox.bodies[0]


def test_what_a_target_did_not_take_is_tried_again_there_alone(worker: SmallWorker, mailbox: Mailbox, webhook: Webhook) -> None:
    route(worker, mailbox.target, webhook.target)
    webhook.status = 503
    begins(worker)
    assert deliver(worker) == [1, 0]
    later(worker, timedelta(seconds=TRY_AGAIN_S[0] - 1))
    webhook.status = 200
    assert deliver(worker) == [0, 0]
    later(worker, A_SECOND)
    assert deliver(worker) == [1, 0]
    assert mailbox.titles == webhook.titles == ["warning: groq is down"]
    assert booked(worker) == [("hook", 1, False, False), ("mail", 1, True, False), ("hook", 2, True, False)]


def test_in_the_end_it_is_given_up_and_said_in_log_and_ledger(
    worker: SmallWorker, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    route(worker, webhook.target)
    webhook.status = 500
    begins(worker)
    for wait_s in (*TRY_AGAIN_S, 24 * 3600):
        deliver(worker)
        later(worker, timedelta(seconds=wait_s))
    assert booked(worker) == [("hook", number, False, number == 5) for number in range(1, 6)]
    (last,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert last.getMessage().startswith("the alert 'groq is down' was not taken by hook, and is not sent again: ")
    with worker.pool.books.engine.connect() as connection:
        errors = connection.execute(select(alert_deliveries.c.error)).scalars().all()
    assert all("500" in error and "s3cret" not in error for error in errors)


def test_several_workers_at_once_send_it_once(worker: SmallWorker, webhook: Webhook) -> None:
    route(worker, webhook.target)
    begins(worker)

    async def together() -> list[int]:
        return await asyncio.gather(*(deliver_alerts(worker.pool) for _ in range(4)))

    assert sorted(worker.run(together())) == [0, 0, 0, 1]
    assert webhook.titles == ["warning: groq is down"]


def test_one_of_them_looks_at_a_time(worker: SmallWorker) -> None:
    assert [worker.run(is_our_turn(worker.pool)) for _ in range(2)] == [True, False]
    assert 0 < worker.redis.pttl(redis_keys.ALERTS_LOOKED) <= 5000


def test_who_died_while_sending_leaves_it_to_another(worker: SmallWorker, webhook: Webhook) -> None:
    """What it noted before it sent is all that is left of it."""
    route(worker, webhook.target)
    begins(worker)
    (entry,) = [entry for entry, _ in worker.redis.xrange(redis_keys.ALERTS_DUE)]
    due_ms = round((worker.pool.now() + timedelta(seconds=60)).timestamp() * 1000)
    worker.redis.hset(redis_keys.ALERTS_PROGRESS, f"{entry} hook", f"tried 1 {due_ms}")
    assert deliver(worker) == [0, 0]
    later(worker, timedelta(seconds=61))
    assert deliver(worker) == [1, 0]
    assert booked(worker) == [("hook", 2, True, False)]


def test_many_at_once_are_one_message(worker: SmallWorker, mailbox: Mailbox) -> None:
    route(worker, mailbox.target, digest=DigestRules(more_than=3))
    for cause in CAUSES:
        begins(worker, cause, severity="critical" if cause == "six" else "warning")
    assert deliver(worker) == [1, 0]
    assert mailbox.titles == ["7 alerts (1 critical, 6 warning)"]
    assert all(f"{cause} is down" in mailbox.bodies[0] for cause in CAUSES)
    assert len(booked(worker)) == 7


def test_in_quiet_hours_it_waits(worker: SmallWorker, mailbox: Mailbox) -> None:
    route(worker, mailbox.target, quiet_hours=QuietHours(time(22), time(7)))
    night = worker.pool.now().replace(hour=23, minute=0)
    worker.pool.now = lambda: night
    begins(worker)
    begins(worker, "all", severity="critical")
    deliver(worker)
    assert mailbox.titles == ["critical: all is down"]
    later(worker, timedelta(hours=8))
    deliver(worker)
    assert mailbox.titles == ["critical: all is down", "warning: groq is down"]


def left(worker: SmallWorker) -> tuple[int, int]:
    return worker.redis.xlen(redis_keys.ALERTS_DUE), worker.redis.hlen(redis_keys.ALERTS_PROGRESS)


def test_nothing_is_left_of_it_after_a_while(worker: SmallWorker, mailbox: Mailbox) -> None:
    route(worker, mailbox.target)
    begins(worker)
    deliver(worker)
    assert left(worker) == (1, 2)
    later(worker, timedelta(hours=2))
    deliver(worker)
    assert left(worker) == (0, 0)


def test_who_is_named_later_is_not_told_of_what_was_before(worker: SmallWorker, mailbox: Mailbox) -> None:
    route(worker)
    begins(worker)
    deliver(worker)
    route(worker, mailbox.target)
    assert deliver(worker) == [0, 0]


def test_what_cannot_be_read_stops_nobody(worker: SmallWorker, mailbox: Mailbox) -> None:
    route(worker, mailbox.target)
    worker.redis.xadd(redis_keys.ALERTS_DUE, {"kind": "poem", "id": "1", "data": "{}"})
    worker.redis.hset(redis_keys.ALERTS_PROGRESS, "1-1 gone", "sent 1 1")
    begins(worker)
    deliver(worker)
    assert mailbox.titles == ["warning: groq is down"]
    assert left(worker) == (1, 2)


def test_simulated_trouble_says_so(worker: SmallWorker, webhook: Webhook) -> None:
    route(worker, webhook.target)
    worker.pool.settings = worker.pool.settings.model_copy(update={"simulator_url": "http://127.0.0.1:1"})
    begins(worker)
    deliver(worker)
    assert webhook.posted[0]["title"] == "Model Pool (simulated): warning: groq is down"


def test_two_targets_at_one_address_are_two(worker: SmallWorker, webhook: Webhook) -> None:
    route(worker, webhook.target, replace(webhook.target, name="hook (2)"))
    begins(worker)
    assert deliver(worker) == [2, 0]
    assert [row[0] for row in booked(worker)] == ["hook", "hook (2)"]
