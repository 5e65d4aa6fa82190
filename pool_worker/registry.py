"""What the pool knows about providers, models, keys and agents: frozen facts, read from `configs/` and asked by everybody.

No I/O here; `pool_worker.config` reads the files, `pool_worker.vault` the keys.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

from pool_client.job import OnExhausted, Priority, Tier, Usage
from pool_client.queues import provider_queue
from pool_worker.alert_rules import AlertRules

MILLION = Decimal(1_000_000)

PRIORITY, SUITABILITY = "priority", "suitability"
"""The strategies of the house; any other is an entry point of `STRATEGIES_GROUP`."""
STRATEGIES_GROUP = "model_pool.strategies"

ALL_MODELS = "*"
"""In place of a model's name, where all of a provider share something."""


def micro_usd(cost_usd: Decimal) -> int:
    """Money in whole millionths, rounded up: budgets are never undercounted."""
    return int((cost_usd * MILLION).to_integral_value(rounding=ROUND_CEILING))


class Unit(StrEnum):
    """What a window counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    UNITS = "units"
    """The provider's own unit (Cloudflare: neurons)."""
    USD = "usd"


class Period(StrEnum):
    """How long a window is; a month is a calendar month and so only of kind `fixed`."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


def window_name(unit: Unit, per: Period) -> str:
    """A window in words: `input tokens per minute`."""
    return f"{unit.value.replace('_', ' ')} per {per.value}"


class WindowKind(StrEnum):
    """How a window frees up again."""

    SLIDING = "sliding"
    """At most `limit` in any period."""
    REFILL = "refill"
    """A bucket of `limit` that refills continuously, full after one period."""
    FIXED = "fixed"
    """At most `limit` in each calendar period of `timezone`."""


class Charges(StrEnum):
    """When a provider counts tokens."""

    ACTUAL = "actual"
    """What was used, once it is known."""
    UPFRONT = "upfront"
    """Input plus `max_tokens`, before it admits the request."""


@dataclass(frozen=True, slots=True)
class Window:
    """One limit over one period. The limit is in whole units; USD in millionths."""

    unit: Unit
    limit: int
    per: Period
    kind: WindowKind
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens, and per request, as they are charged: less any discount."""

    input_usd_per_mtok: Decimal = Decimal(0)
    output_usd_per_mtok: Decimal = Decimal(0)
    usd_per_request: Decimal = Decimal(0)
    cached_input_usd_per_mtok: Decimal | None = None
    """Of input that the provider knew from a call before; None: as all other input."""

    def cost_usd(self, usage: Usage) -> Decimal:
        """What this usage costs; tokens of reasoning are part of the output, and cost as much."""
        tokens = self.input_usd_per_mtok * usage.input_tokens + self.output_usd_per_mtok * usage.output_tokens
        if usage.cached_tokens and self.cached_input_usd_per_mtok is not None:
            cached = min(usage.cached_tokens, usage.input_tokens)
            tokens -= (self.input_usd_per_mtok - self.cached_input_usd_per_mtok) * cached
        return tokens / MILLION + self.usd_per_request


@dataclass(frozen=True, slots=True)
class UnitRate:
    """A provider's own units (Cloudflare: neurons) per million tokens; zero where it has none."""

    input_per_mtok: Decimal = Decimal(0)
    output_per_mtok: Decimal = Decimal(0)

    def milli_units(self, usage: Usage) -> int:
        """What this usage counts against windows of `Unit.UNITS`, in thousandths of them, rounded up."""
        exact = (self.input_per_mtok * usage.input_tokens + self.output_per_mtok * usage.output_tokens) / MILLION
        return math.ceil(1000 * exact)


@dataclass(frozen=True, slots=True)
class Provider:
    """A service: an address, a header and its quirks."""

    id: str
    base_url: str
    protocol: str = "chat"
    tier: Tier = Tier.FREE
    priority: int = 50
    concurrency: int = 16
    """Calls in flight per quota group."""
    timeout_s: float = 60.0
    limits: tuple[Window, ...] = ()
    """Per quota group and model, unless `limits_shared` says that all models share them."""
    limits_shared: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_key_header: str | None = None
    """Header that carries the bare key; None: `Authorization: Bearer …`."""
    needs_key: bool = True
    daily_unit: Unit = Unit.REQUESTS
    """What a key's `…_DAILY_LIMIT` counts."""
    charges: Charges = Charges.ACTUAL
    enabled: bool = True
    disabled_reason: str | None = None
    aliases: tuple[str, ...] = ()
    """Other names for it in files and variables (`google` is `gemini`)."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def scope_of(self, model: str) -> str:
        """Whose windows calls of a model (the provider's name for it) count against: its own, or those of `ALL_MODELS`."""
        return ALL_MODELS if self.limits_shared else model

    @property
    def queue(self) -> str:
        """The queue of the workers that call it."""
        return provider_queue(self.tier, self.id)


@dataclass(frozen=True, slots=True)
class Model:
    """A model as one provider serves it."""

    id: str
    provider: str
    name: str
    """What the provider calls it."""
    tier: Tier = Tier.FREE
    priority: int = 50
    capabilities: frozenset[str] = frozenset()
    price: Price = Price()
    price_known: bool = True
    price_is_listed: bool = False
    """Whether it comes from the public price list, as the configuration names none."""
    discount: Decimal = Decimal(0)
    """The share (0 to 1) that was taken off the prices of tokens; `price` is what is left."""
    daily_budget_usd: Decimal | None = None
    """All calls of it together, whoever asks."""
    unit_rate: UnitRate = UnitRate()
    limits: tuple[Window, ...] | None = None
    """Its own windows; None: its provider's."""
    concurrency: int | None = None
    """Calls in flight per quota group, beside its provider's for all models; None: no further limit."""
    context_window: int | None = None
    max_output_tokens: int | None = None
    is_active: bool = True
    is_experimental: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret."""

    id: str
    """`groq#1`: shown in trails, tables and statistics."""
    provider: str
    priority: int = 1
    """1 is used before 2."""
    quota_group: str = ""
    """The account whose limits it shares; a key that names none is a group of its own."""
    daily_limit: int | None = None
    """In the provider's `daily_unit`; overrides its daily window of that unit."""
    daily_budget_usd: Decimal | None = None
    """All calls with it together."""
    last4: str = ""
    is_active: bool = True

    @property
    def group(self) -> str:
        """The quota group, never empty."""
        return self.quota_group or self.id


@dataclass(frozen=True, slots=True)
class Agent:
    """The defaults of one of the platform's agents, and its weight when capacity is scarce."""

    id: str
    priority: Priority = Priority.NORMAL
    tier: Tier = Tier.FREE
    task_type: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    deadline_s: float | None = None
    on_exhausted: OnExhausted = OnExhausted.PARK
    daily_budget_usd: Decimal | None = None
    weight: int = 1
    secret: str | None = field(default=None, repr=False)
    """With which it signs its jobs; None: anybody may submit in its name."""


class UnknownPrice(StrEnum):
    """What becomes of a paid model whose price nobody knows."""

    ALLOW = "allow"
    """It is called, and its calls are counted as 0; a job that has a `max_cost_usd` never goes there."""
    REFUSE = "refuse"
    """It cannot be called."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent in a day."""

    daily_usd: Decimal = Decimal(10)
    alert_threshold: Decimal = Decimal("0.8")
    auto_pause: bool = True
    unknown_price: UnknownPrice = UnknownPrice.ALLOW
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Failover:
    """How a job goes on after a failed attempt."""

    tiers: tuple[Tier, ...] = (Tier.FREE, Tier.PAID, Tier.PREMIUM)
    retry_attempts: int = 3
    """How often a job rests and tries all candidates again after each of them has failed."""
    max_attempts: int = 50
    """Calls of one job that may fail, for any reason but a spent quota.

    All four rounds at a dozen providers are 48: a job that meets nothing but failing providers ends by its rounds. This bounds
    what many bad keys or models can cost one job.
    """
    fallback_model: str | None = None


@dataclass(frozen=True, slots=True)
class CacheRules:
    """How answers are kept."""

    enabled: bool = True
    ttl_s: int = 3600
    max_entries: int = 10_000


@dataclass(frozen=True, slots=True)
class HedgingRules:
    """Whether a critical job's slow call gets a second one beside it."""

    enabled: bool = False
    max_share: Decimal = Decimal("0.05")
    """So many of the critical calls may be hedged."""


@dataclass(frozen=True, slots=True)
class WarningRules:
    """When something is worth telling."""

    quota_thresholds: tuple[Decimal, ...] = (Decimal("0.75"), Decimal("0.9"))
    """Shares of a window at which its use is warned of, ascending."""
    failovers_per_hour: int = 3
    """More than these on one model raise an alert."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the ledger keeps rows, in days."""

    jobs_days: int = 30
    attempts_days: int = 90
    alerts_days: int = 90
    events_days: int = 30
    metrics_days: int = 30


@dataclass(frozen=True, slots=True)
class PoolRules:
    """What `pool.yaml` says beside the task types."""

    timezone: str = "UTC"
    """Whose days the budget and the daily summaries count."""
    require_signatures: bool = False
    """Whether the jobs of agents without a secret are refused."""
    cache: CacheRules = CacheRules()
    strategy: str = PRIORITY
    """How the candidates of a job are ordered: see `pool_worker.strategies`."""
    hedging: HedgingRules = HedgingRules()
    warnings: WarningRules = WarningRules()
    alerts: AlertRules = field(default_factory=AlertRules)
    retention: Retention = Retention()


@dataclass(frozen=True)
class Registry:
    """Everything that was configured, ready to be asked."""

    providers: Mapping[str, Provider]
    models: Mapping[str, Model]
    agents: Mapping[str, Agent] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    task_capabilities: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Task type → capabilities that a model needs for it."""
    budget: Budget = Budget()
    failover: Failover = Failover()
    rules: PoolRules = PoolRules()
    disabled: Mapping[str, str] = field(default_factory=dict)
    """Model id → the reason that a person gave ("" = none) when disabling it at run time; also of models that are not here."""

    def provider_of(self, model: Model) -> Provider:
        """The provider that serves a model."""
        return self.providers[model.provider]

    def windows_of(self, model: Model) -> tuple[Window, ...]:
        """The limits that calls of this model count against, per quota group."""
        return self.provider_of(model).limits if model.limits is None else model.limits

    def kind_of_agent(self, agent: str) -> str:
        """The agent, if it is configured; else `other`: callers may use any number of names."""
        return agent if agent in self.agents else "other"

    def weight_of(self, agent: str) -> int:
        """An agent's share when capacity is scarce; 1 for one that is not configured."""
        known = self.agents.get(agent)
        return 1 if known is None else known.weight

    def keys_of(self, provider: str) -> tuple[Key, ...]:
        """The active keys of a provider."""
        return tuple(key for key in self.keys if key.provider == provider and key.is_active)

    @cached_property
    def keyed_providers(self) -> frozenset[str]:
        """Providers with at least one active key; counted once, so that routing costs the same however many keys there are."""
        return frozenset(key.provider for key in self.keys if key.is_active)

    @cached_property
    def unusable_models(self) -> Mapping[str, str]:
        """Model id → why it cannot be called for any job; worked out once, as routing asks for every job."""
        reasons = ((model.id, self._why_unusable(model)) for model in self.models.values())
        return {model_id: reason for model_id, reason in reasons if reason}

    def is_switched_on(self, model: Model) -> bool:
        """Whether neither the configuration nor a person has disabled it."""
        return model.is_active and model.id not in self.disabled

    def queues(self) -> tuple[str, ...]:
        """Every queue: the tiers' entry queues, then the enabled providers'."""
        entries = [tier.value for tier in Tier]
        return (*entries, *sorted(provider.queue for provider in self.providers.values() if provider.enabled))

    def usable_models(self) -> Iterable[Model]:
        """Active models whose provider is enabled and has a key (or needs none)."""
        return (model for model in self.models.values() if model.id not in self.unusable_models)

    def _why_unusable(self, model: Model) -> str | None:
        provider = self.provider_of(model)
        if not model.is_active:
            return "it is not active"
        if model.id in self.disabled:
            return "disabled by a person" + (f": {reason}" if (reason := self.disabled[model.id]) else "")
        if not model.price_known and self.budget.unknown_price is UnknownPrice.REFUSE:
            return "its price is not known, and cost_management says unknown_price: refuse"
        if not provider.enabled:
            return f"provider {provider.id} is disabled: {provider.disabled_reason or 'no reason given'}"
        if provider.needs_key and provider.id not in self.keyed_providers:
            return f"provider {provider.id} has no key"
        return None
