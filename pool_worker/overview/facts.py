"""How full windows are, and who is left alone. Plain facts, for views, for `--json` and for whoever shows them elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pool_worker.registry import Period, Unit


def window_words(unit: Unit, per: Period) -> str:
    """A sort of window, in short: `requests/min`, `tokens/day`."""
    return f"{unit.value.replace('_', ' ')}/{'min' if per is Period.MINUTE else per.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowUse:
    """How much of a window is used, or of several of one sort together."""

    unit: Unit
    per: Period
    used: int
    limit: int
    configured: int
    """What the limit would be if the provider had not said that it is lower."""
    resets_at: datetime
    """When nothing of it will be used any more, unless more is used by then."""

    @property
    def share(self) -> float:
        """Of the limit; above 1 when more was used than a corrected limit now allows."""
        return self.used / self.limit if self.limit else 1.0

    @property
    def remaining(self) -> int:
        """What is left of the limit; never below 0."""
        return max(0, self.limit - self.used)

    @property
    def is_lowered(self) -> bool:
        """Whether the provider has said that the limit is lower than configured."""
        return self.limit < self.configured

    @property
    def words(self) -> str:
        """Its sort: `requests/min`, `tokens/day`."""
        return window_words(self.unit, self.per)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWindowUse(WindowUse):
    """One window of a key."""

    model: str
    """The provider's name for it; `*`: all models share the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How much of one key is used, or of several together."""

    calls_in_flight: int
    windows: tuple[WindowUse, ...]

    @property
    def tightest(self) -> WindowUse | None:
        """The window with the largest share used."""
        return max(self.windows, key=lambda window: window.share, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse(Use):
    """One key."""

    key_id: str
    provider: str
    priority: int
    quota_group: str
    windows: tuple[ModelWindowUse, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody who is left alone until a time."""

    kind: str
    """provider, model, key or group."""
    name: str
    until: datetime
    reason: str
