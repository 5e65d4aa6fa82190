"""Delivering alerts: what is due goes to its targets, failed tries are repeated, and each is recorded in the ledger."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from pool_worker import redis_keys
from pool_worker.alerts import due
from pool_worker.alerts.message import body_of, title_of
from pool_worker.alerts.plan import DueAlert, Message, Progress, Stage, after_failure, is_last_try, make_plan
from pool_worker.alerts.sending import TIMEOUT_S, send_beside
from pool_worker.ledger.rows import DeliveryRow
from pool_worker.resources import Resources

EVERY_S = 5.0
CLAIMED_S = 2 * TIMEOUT_S
"""So long nobody else sends what a worker is sending; if it dies meanwhile, another does then."""
NAME = "Model Pool"

logger = logging.getLogger(__name__)


async def is_our_turn(pool: Resources) -> bool:
    """Whether no other worker has looked within the last seconds."""
    return bool(await pool.redis.set(redis_keys.ALERTS_LOOKED, "1", nx=True, px=round(EVERY_S * 1000)))


async def deliver_alerts(pool: Resources) -> int:
    """Send what is due now; returns how many messages were taken.

    Any number of workers may do this at once: who sends an alert has claimed it, and none is sent again to a target that has
    taken it. Only if the worker dies between the sending and the note about it, or a target takes it and does not say so, does
    the next try tell it twice.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    alerts = await due.read_due(pool.redis)
    if not alerts:
        return 0
    now, rules = pool.now(), pool.registry.rules
    plan = make_plan(alerts, rules.alerts, timezone=rules.timezone, now=now)
    await due.skip(pool.redis, plan.skipped, now=now)
    await due.settle(pool.redis, plan.settled, now=now)
    await due.forget(pool.redis, plan.old)
    return sum(await asyncio.gather(*(_deliver(message, pool, now=now) for message in plan.messages)))


async def _deliver(message: Message, pool: Resources, *, now: datetime) -> bool:
    target, alerts = message.target, message.alerts
    tries = {alert.entry: _tries(alert, target.name) + 1 for alert in alerts}
    sending = {entry: Progress(Stage.TRIED, number, now + timedelta(seconds=CLAIMED_S)) for entry, number in tries.items()}
    if not await due.claim(pool.redis, alerts, target, sending):
        return False
    error = await _send(message, pool)
    outcomes = []
    for alert in alerts:
        number = tries[alert.entry]
        row = DeliveryRow(
            delivery_id=f"{alert.row.alert_id} {target.name} {number}",
            alert_id=alert.row.alert_id,
            target=target.name,
            attempt=number,
            at=now,
            ok=not error,
            error=error or None,
            is_last=bool(error) and is_last_try(number),
            in_digest=len(alerts) > 1,
        )
        outcomes.append((alert, target, _became(row, now=now), row))
        if row.is_last:
            logger.error("the alert %r was not taken by %s, and is not sent again: %s", alert.row.title, target.name, error)
    if error:
        logger.warning("%s did not take %d alert(s): %s", target.name, len(alerts), error)
    await due.note(pool.redis, outcomes)
    return not error


async def _send(message: Message, pool: Resources) -> str:
    """Returns the reason why it was not taken; "" if it was."""
    alerts, rules = message.alerts, pool.registry.rules
    name = NAME if pool.settings.simulator_url is None else f"{NAME} (simulated)"
    gravest = max((alert.row.severity for alert in alerts), key=("info", "warning", "critical").index)
    sending = send_beside(
        message.target,
        title=title_of(alerts, pool=name),
        body=body_of(alerts, timezone=rules.timezone),
        severity=gravest,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await asyncio.wrap_future(sending)
    except TimeoutError:
        return f"no answer within {TIMEOUT_S:g} s"


def _tries(alert: DueAlert, target: str) -> int:
    known = alert.progress.get(target)
    return 0 if known is None else known.tries


def _became(row: DeliveryRow, *, now: datetime) -> Progress:
    if row.ok:
        return Progress(Stage.IN_DIGEST if row.in_digest else Stage.SENT, row.attempt, now)
    return after_failure(row.attempt, now)
