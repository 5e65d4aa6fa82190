"""Tells an alert, from asynchronous and from synchronous code by one script; and that what it was about is over."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

import redis
import redis.asyncio

from pool_worker import redis_keys
from pool_worker.ledger.rows import OVER, AlertRow, Severity, storable
from pool_worker.lua import read_script

DAY_S = 24 * 3600.0
LEVELS: Mapping[Severity, int] = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}

logger = logging.getLogger(__name__)


async def tell(
    client: redis.asyncio.Redis,
    *,
    severity: Severity,
    source: str,
    title: str,
    message: str,
    cause: str,
    now: datetime,
    ttl_s: float = DAY_S,
) -> bool:
    """Tell a person something, unless its cause was told within the last `ttl_s` seconds.

    Args:
        client: Where the outbox is.
        severity: `info`, `warning` or `critical`.
        source: Which part of the pool noticed, e.g. `budget`.
        title: What happened, in a few words.
        message: What it means and what can be done; never a secret.
        cause: What it is about, e.g. `quota:groq#1:requests:day:0.9:2026-11-20`: the same cause is the same alert.
        now: When it was noticed.
        ttl_s: For how long the cause stays told.

    Returns:
        Whether it was told now.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses; nothing was told then.
    """
    row = alert_row(severity=severity, source=source, title=title, message=message, cause=cause, at=now)
    return _log(row, told=await client.eval(*_call(row, ttl_s)) == 1)


def tell_sync(
    client: redis.Redis,
    *,
    severity: Severity,
    source: str,
    title: str,
    message: str,
    cause: str,
    now: datetime,
    ttl_s: float = DAY_S,
) -> bool:
    """The same as `tell`, for synchronous code."""
    row = alert_row(severity=severity, source=source, title=title, message=message, cause=cause, at=now)
    return _log(row, told=client.eval(*_call(row, ttl_s)) == 1)


async def resolve(
    client: redis.asyncio.Redis, *, source: str, title: str, message: str, cause: str, now: datetime, quiet: bool = False
) -> bool:
    """Tell that what was told under this cause is over; nothing if it was not told.

    From then on it may be told again; if `quiet`, not before its time of being told has ended. Other arguments and errors are
    those of `tell`. The row has the severity `OVER`, and nobody needs to acknowledge it.

    Returns:
        Whether it is over now.
    """
    row = alert_row(severity=OVER, source=source, title=title, message=message, cause=cause, at=now)
    names = (redis_keys.alert_told(cause), redis_keys.OUTBOX)
    script = read_script(__package__, "resolve")
    over = await client.eval(script, len(names), *names, *row.to_entry(), "quiet" if quiet else "")
    return _log(row, told=over == 1)


def alert_row(*, severity: Severity, source: str, title: str, message: str, cause: str, at: datetime) -> AlertRow:
    """The row of an alert; cause and time make it one of its own."""
    return AlertRow(
        alert_id=f"{cause}@{at.isoformat()}",
        severity=severity,
        source=source,
        cause=cause,
        title=storable(title),
        message=storable(message),
        created_at=at,
        acknowledged=severity == OVER,
    )


def _call(row: AlertRow, ttl_s: float) -> tuple[str, int, str, str, int, str, str, str]:
    told, ttl_ms = redis_keys.alert_told(row.cause), max(1, round(ttl_s * 1000))
    return read_script(__package__, "tell"), 2, told, redis_keys.OUTBOX, ttl_ms, *row.to_entry()


def _log(row: AlertRow, *, told: bool) -> bool:
    if told:
        logger.log(LEVELS[row.severity], "%s: %s", row.title, row.message)
    return told
