"""Who is told of alerts, of which, and when: what `pool.yaml` and the environment say of it. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Literal, get_args

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class AlertTarget:
    """Somebody who is told."""

    url: str = field(repr=False)
    """An Apprise URL; it holds tokens and is shown nowhere."""
    name: str
    """As it may be shown; no two have the same."""
    severities: frozenset[Severity] = frozenset(SEVERITIES)
    """Of which alerts; of what is over, that with which it began."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When only critical alerts are sent, by the pool's own clock; `until` may be on the next day."""

    begin: time
    until: time

    def include(self, local: datetime) -> bool:
        """Whether they are at this moment of the pool's own clock."""
        at = local.time()
        if self.begin <= self.until:
            return self.begin <= at < self.until
        return at >= self.begin or at < self.until


@dataclass(frozen=True, slots=True)
class DigestRules:
    """When many alerts come together they are one message."""

    more_than: int = 5
    """So many single messages a target gets within the time."""
    within_s: int = 60


@dataclass(frozen=True, slots=True)
class AlertRules:
    """Who is told, and how often."""

    targets: tuple[AlertTarget, ...] = ()
    missing: tuple[str, ...] = ()
    """What keeps a target that the environment names from being one: a sentence each."""
    quiet_hours: QuietHours | None = None
    digest: DigestRules = DigestRules()
    repeat_after_s: int = 3600
    """The same alert is not sent again before."""
