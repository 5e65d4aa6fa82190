"""What the pool publishes about itself for `Pool.get_all_stats` and `Pool.get_health_status`: plain data, no I/O.

`model_dump(mode="json")` of any of these gives dicts, lists, numbers and texts. Keys are named by their ids, never by a secret.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, computed_field

from pool_client.errors import ConfigurationError, StatsUnavailableError

SNAPSHOT_VERSION: Literal[1] = 1
OLD_AFTER = timedelta(minutes=1)
"""They are published every 15 s; what is older is not the pool's present."""
WHAT_TO_DO = "is beat running, and a worker that serves the queue `maintenance`? `model-pool status` says it"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WindowStats(_Record):
    """How much of one limit of a key is used: by calls that have ended, and by reservations of those under way."""

    model: str
    """The provider's name for it; `*`: all its models share the window."""
    unit: str
    """`requests`, `tokens`, `input_tokens`, `output_tokens`, `units` (the provider's own) or `usd` (millionths)."""
    per: str
    """`minute`, `hour`, `day` or `month`."""
    used: int
    limit: int
    configured: int
    """What the limit would be if the provider had not said that it is lower."""
    resets_at: AwareDatetime
    """When nothing of it will be used any more, unless more is used by then; UTC."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def remaining(self) -> int:
        """What is left of the limit; never below 0."""
        return max(0, self.limit - self.used)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def percentage(self) -> float:
        """How much is used, from 0 to 100, with one decimal."""
        return round(min(100.0, 100 * self.used / self.limit), 1) if self.limit else 100.0


class DayStats(_Record):
    """What was called in the present UTC day, from the ledger: as of about a minute ago."""

    calls: int = 0
    successes: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    def __add__(self, other: DayStats) -> DayStats:
        return DayStats(
            calls=self.calls + other.calls,
            successes=self.successes + other.successes,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
        )


class KeyStats(_Record):
    """One API key. Keys of the same quota group show the same windows and calls in flight."""

    quota_group: str
    calls_in_flight: int
    today: DayStats | None = None
    """None: the ledger has not told."""
    windows: tuple[WindowStats, ...] = ()


class ProviderStats(_Record):
    """One provider: its keys by their ids (`groq#1`)."""

    keys: dict[str, KeyStats] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def calls_in_flight(self) -> int:
        """Of all keys; those of one quota group show the same."""
        return sum({key.quota_group: key.calls_in_flight for key in self.keys.values()}.values())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def today(self) -> DayStats | None:
        """Of all keys; None: the ledger has not told."""
        told = [key.today for key in self.keys.values() if key.today is not None]
        return sum(told, DayStats()) if told else None


class PoolStats(_Record):
    """What `Pool.get_all_stats` returns: every provider that is in use, by its id."""

    taken_at: AwareDatetime
    """By Redis's clock."""
    providers: dict[str, ProviderStats] = Field(default_factory=dict)


class HealthStatus(StrEnum):
    """Whether a provider or a key can be called now."""

    HEALTHY = "healthy"
    LIMITED = "limited"
    """Its quota is spent: of a provider, that of every key."""
    HELD = "held"
    """It is left alone after failures."""
    DISABLED = "disabled"
    """It is not in use, by the configuration or because it has no key."""


class KeyHealth(_Record):
    """One API key. It is healthy if it can be called on one model at least, if it is not just busy."""

    status: HealthStatus
    reason: str | None = None
    """Why it is not healthy."""
    until: AwareDatetime | None = None
    """When it can be called again at the latest, unless it fails again; None: it can now, or nobody knows."""
    score: int = 100
    """Its health: a failure takes 15, a success gives 5. Below 20 it gets a fifth of the calls, at 0 none for minutes."""


class ProviderHealth(KeyHealth):
    """One provider. It is as healthy as that of its keys which can be called first."""

    keys_usable: int = 0
    """How many can be called now."""
    keys: dict[str, KeyHealth] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def keys_total(self) -> int:
        """How many there are."""
        return len(self.keys)


class PoolHealth(_Record):
    """What `Pool.get_health_status` returns: every configured provider by its id."""

    taken_at: AwareDatetime
    """By Redis's clock."""
    providers: dict[str, ProviderHealth] = Field(default_factory=dict)


class Snapshot(_Record):
    """Both, as they are published at `redis_keys.STATS`."""

    version: Literal[1] = SNAPSHOT_VERSION
    stats: PoolStats
    health: PoolHealth


def render_snapshot(snapshot: Snapshot) -> str:
    """The text to publish."""
    return snapshot.model_dump_json(exclude_computed_fields=True, exclude_none=True)


def parse_snapshot(text: str | None, *, now: datetime) -> Snapshot:
    """What `render_snapshot` gave; `now` by the clock that it was taken by.

    Raises:
        StatsUnavailableError: if there is none, or it is old.
        ConfigurationError: if this release cannot read it.
    """
    if text is None:
        msg = f"nobody has published figures of this pool for minutes: {WHAT_TO_DO}"
        raise StatsUnavailableError(msg)
    try:
        snapshot = Snapshot.model_validate_json(text)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, problem["loc"][:2])) or "the whole" for problem in error.errors()}))
        msg = f"this release of pool_client cannot read the published figures (see {places}): install the workers' release"
        raise ConfigurationError(msg) from None
    age = now.astimezone(UTC) - snapshot.stats.taken_at
    if age > OLD_AFTER:
        msg = f"the pool's figures are {age.total_seconds():.0f} s old, and no newer ones were published: {WHAT_TO_DO}"
        raise StatsUnavailableError(msg)
    return snapshot
