"""The words of a message about alerts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from pool_worker.alert_rules import SEVERITIES
from pool_worker.alerts.plan import DueAlert

LISTED = 30
"""So many alerts are named in one message."""
FULL_LENGTH = 1500
"""Characters of an alert's message that are sent; all of it is in the ledger."""


def title_of(alerts: Sequence[DueAlert], *, pool: str) -> str:
    """`pool` is how the pool calls itself."""
    if len(alerts) == 1:
        return f"{pool}: {_headline(alerts[0])}"
    return f"{pool}: {len(alerts)} alerts ({', '.join(_counts(alerts))})"


def body_of(alerts: Sequence[DueAlert], *, timezone: str) -> str:
    """One alert in full, of several a line each."""
    if len(alerts) == 1:
        row = alerts[0].row
        return f"{row.message[:FULL_LENGTH]}\n\n{_at(row.created_at, timezone)} {timezone}, {row.source}".strip()
    lines = [f"{_at(alert.row.created_at, timezone)} {_headline(alert)}" for alert in alerts[:LISTED]]
    more = [f"and {len(alerts) - LISTED:,} more"] if len(alerts) > LISTED else []
    return "\n".join((*lines, *more, f"Times are {timezone}. `model-pool alerts list` shows them in full."))


def _headline(alert: DueAlert) -> str:
    return f"{_kind(alert)}: {alert.row.title}"


def _kind(alert: DueAlert) -> str:
    return "resolved" if alert.is_end else alert.row.severity


def _counts(alerts: Sequence[DueAlert]) -> list[str]:
    """`2 critical`, the gravest first."""
    kinds = [_kind(alert) for alert in alerts]
    return [f"{kinds.count(kind)} {kind}" for kind in (*reversed(SEVERITIES), "resolved") if kind in kinds]


def _at(moment: datetime, timezone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"
