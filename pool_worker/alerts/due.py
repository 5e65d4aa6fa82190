"""Alerts that are to be sent, in Redis: reading them, claiming some for this worker, noting what became of them.

Fields of the hash of progress are `<entry> <target>`, their values `<stage> <tries> <at, ms>`; of an entry without a target only
the time counts: since when nobody is left to send the entry to.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import cast

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.alert_rules import SEVERITIES, AlertTarget, Severity
from pool_worker.alerts.plan import DueAlert, Progress, Stage
from pool_worker.ledger.rows import AlertRow, DeliveryRow, MalformedRowError, row_from_fields
from pool_worker.lua import run_script

EVERYBODY = ""
"""In place of a target's name, which is never empty."""

logger = logging.getLogger(__name__)


async def read_due(client: Redis) -> list[DueAlert]:
    """All of them, in the order in which they were told. What cannot be read (a later release may have told it) is dropped.

    Raises:
        redis.RedisError: if Redis cannot be reached, as everywhere here.
    """
    entries = cast("list[tuple[str, dict[str, str]]]", await client.xrange(redis_keys.ALERTS_DUE))
    progress: dict[str, dict[str, Progress]] = {}
    for name, value in cast("dict[str, str]", await client.hgetall(redis_keys.ALERTS_PROGRESS)).items():
        entry, _, target = name.partition(" ")
        progress.setdefault(entry, {})[target] = _parse(value)
    due = []
    for entry, fields in entries:
        try:
            due.append(_alert(entry, fields, progress.pop(entry, {})))
        except MalformedRowError as error:
            logger.error("an alert cannot be sent: %s", error)  # noqa: TRY400 - the sentence says it all
            await client.xdel(redis_keys.ALERTS_DUE, entry)
    if progress:  # of entries that made room for later ones
        await client.hdel(redis_keys.ALERTS_PROGRESS, *_fields(progress))
    return due


async def claim(client: Redis, alerts: Iterable[DueAlert], target: AlertTarget, become: Mapping[str, Progress]) -> bool:
    """Note that these are being sent now (`become`: by entry); False if another worker has done something about one of them."""
    arguments: list[str] = []
    for alert in alerts:
        known = alert.progress.get(target.name)
        arguments += (_field(alert, target.name), "" if known is None else _text(known), _text(become[alert.entry]))
    return bool(await run_script(client, __package__, "claim", keys=[redis_keys.ALERTS_PROGRESS], arguments=arguments))


async def note(client: Redis, outcomes: Iterable[tuple[DueAlert, AlertTarget, Progress, DeliveryRow]]) -> None:
    """Note what became of alerts that were sent."""
    arguments = [
        part
        for alert, target, progress, row in outcomes
        for part in (_field(alert, target.name), _text(progress), *row.to_entry())
    ]
    await run_script(client, __package__, "note", keys=[redis_keys.ALERTS_PROGRESS, redis_keys.OUTBOX], arguments=arguments)


async def skip(client: Redis, skipped: Iterable[tuple[DueAlert, AlertTarget]], *, now: datetime) -> None:
    """Note that alerts are not to be sent to a target any more."""
    await _set(client, {_field(alert, target.name): Progress(Stage.SKIPPED, 0, now) for alert, target in skipped})


async def settle(client: Redis, alerts: Iterable[DueAlert], *, now: datetime) -> None:
    """Note that alerts have been wherever they were to go."""
    await _set(client, {_field(alert, EVERYBODY): Progress(Stage.SENT, 0, now) for alert in alerts})


async def forget(client: Redis, alerts: Iterable[DueAlert]) -> None:
    """Take alerts out for good."""
    gone = {alert.entry: (*alert.progress, EVERYBODY) for alert in alerts}
    if gone:
        await client.xdel(redis_keys.ALERTS_DUE, *gone)
        await client.hdel(redis_keys.ALERTS_PROGRESS, *_fields(gone))


async def _set(client: Redis, progress: Mapping[str, Progress]) -> None:
    if progress:
        parts = [part for field, value in progress.items() for part in (field, _text(value))]
        await client.hset(redis_keys.ALERTS_PROGRESS, items=parts)


def _alert(entry: str, fields: Mapping[str, str], progress: dict[str, Progress]) -> DueAlert:
    row = row_from_fields(fields)
    if not isinstance(row, AlertRow):
        msg = f"kind: {row.kind!r} is not alert"
        raise MalformedRowError(msg)
    settled = progress.pop(EVERYBODY, None)
    return DueAlert(entry, row, _severity(fields.get("begun", "")), progress, None if settled is None else settled.at)


def _severity(text: str) -> Severity:
    """What an earlier release has told began with a severity that it did not note."""
    return next((severity for severity in SEVERITIES if severity == text), "warning")


def _fields(targets: Mapping[str, Iterable[str]]) -> list[str]:
    return [f"{entry} {target}" for entry, names in targets.items() for target in names]


def _field(alert: DueAlert, target: str) -> str:
    return f"{alert.entry} {target}"


def _text(progress: Progress) -> str:
    return f"{progress.stage} {progress.tries} {round(progress.at.timestamp() * 1000)}"


def _parse(text: str) -> Progress:
    stage, tries, ms = text.split()
    return Progress(Stage(stage), int(tries), datetime.fromtimestamp(int(ms) / 1000, UTC))
