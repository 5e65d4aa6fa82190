"""Tells an alert, from asynchronous and from synchronous code by one script; and that what it was about is over."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import redis
import redis.asyncio

from pool_worker import redis_keys
from pool_worker.alert_rules import Severity
from pool_worker.ledger.rows import OVER, AlertRow, storable
from pool_worker.lua import read_script, run_script

DAY_S = 24 * 3600.0
LEVELS: Mapping[Severity, int] = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}
KEEP_DUE = 5000
"""So many alerts may wait to be sent, about; older ones are then only in the log and in the ledger."""

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
    names, how = _names(cause), "quiet" if quiet else ""
    script = read_script(__package__, "resolve")
    over = await client.eval(script, len(names), *names, cause, str(KEEP_DUE), how, *row.to_entry())
    return _log(row, told=over == 1)


async def open_causes(client: redis.asyncio.Redis, prefix: str) -> dict[str, datetime]:
    """The causes that begin so, of which people know and that are not over → when they were told. One command.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    arguments = [redis_keys.alert_told("")]
    found = await run_script(client, __package__, "open", keys=[redis_keys.ALERTS_OPEN], arguments=arguments)
    told = zip(found[::2], found[1::2], strict=True)
    return {cause: datetime.fromtimestamp(float(ms) / 1000, UTC) for cause, ms in told if cause.startswith(prefix)}


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


def _names(cause: str) -> tuple[str, ...]:
    return redis_keys.alert_told(cause), redis_keys.OUTBOX, redis_keys.ALERTS_DUE, redis_keys.ALERTS_OPEN


def _call(row: AlertRow, ttl_s: float) -> tuple[Any, ...]:
    names, ttl_ms, at_ms = _names(row.cause), max(1, round(ttl_s * 1000)), round(row.created_at.timestamp() * 1000)
    facts = (row.cause, row.severity, ttl_ms, at_ms, KEEP_DUE)
    return read_script(__package__, "tell"), len(names), *names, *facts, *row.to_entry()


def _log(row: AlertRow, *, told: bool) -> bool:
    if told:
        logger.log(LEVELS[row.severity], "%s: %s", row.title, row.message)
    return told
