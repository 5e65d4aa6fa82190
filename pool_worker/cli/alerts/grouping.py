"""Alerts put together: what tells of the same sort of thing stands in one line, what is open first. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pool_worker.alert_rules import Severity
from pool_worker.ledger.reports import Alert

ORDER: tuple[Severity, ...] = ("critical", "warning", "info")


class Stage(StrEnum):
    """How far an alert is."""

    OPEN = "open"
    SEEN = "seen"
    OVER = "over"
    NOTE = ""
    """It tells that something is over; nobody need see it."""


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts of one rule, severity and stage."""

    stage: Stage
    alerts: tuple[Alert, ...]
    """The newest first; at least one."""

    @property
    def newest(self) -> Alert:
        """The one that speaks for all."""
        return self.alerts[0]

    @property
    def titles(self) -> tuple[str, ...]:
        """What they tell of, each once, the newest first."""
        return tuple(dict.fromkeys(alert.title for alert in self.alerts))


def stage_of(alert: Alert) -> Stage:
    """How far it is."""
    if alert.resolved_at is not None:
        return Stage.OVER
    if alert.acknowledged_at is not None:
        return Stage.SEEN
    return Stage.NOTE if alert.acknowledged else Stage.OPEN


def rule_of(cause: str) -> str:
    """The cause without the name of whom it is about: `down:provider`, `quota:lower`, `quota`, `budget`."""
    first, _, rest = cause.partition(":")
    second = rest.partition(":")[0]
    if first in {"down", "quarantine"} or (first, second) == ("quota", "lower"):
        return f"{first}:{second}"
    return first


def grouped(found: Iterable[Alert]) -> list[AlertGroup]:
    """Open ones first, the most severe in front; then the others, the newest first."""
    groups: dict[tuple[str, Severity, Stage], list[Alert]] = {}
    for alert in sorted(found, key=lambda alert: (alert.created_at, alert.id), reverse=True):
        stage = stage_of(alert)
        groups.setdefault((rule_of(alert.cause), alert.severity, stage), []).append(alert)
    together = [AlertGroup(stage, tuple(alerts)) for (_, _, stage), alerts in groups.items()]
    return sorted(together, key=_urgency)


def _urgency(group: AlertGroup) -> tuple[bool, int]:
    is_open = group.stage is Stage.OPEN
    return not is_open, ORDER.index(group.newest.severity) if is_open else 0
