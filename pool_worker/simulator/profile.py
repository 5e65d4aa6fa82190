"""What is simulated: the accounts, windows, models and habits of each provider. Facts only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pool_worker.registry import Charges, Model, Price, Provider, UnitRate, Window

QUICK_MEDIAN_MS = 40.0
"""Groq and Cerebras, on hardware of their own."""
USUAL_MEDIAN_MS = 120.0
MEDIANS_MS: Mapping[str, float] = {
    "cerebras": QUICK_MEDIAN_MS,
    "groq": QUICK_MEDIAN_MS,
    "mistral": 80.0,
    "codestral": 80.0,
    "cloudflare": 150.0,
    "openrouter": 180.0,
    "github": 180.0,
    "gemini": 200.0,
    "huggingface": 200.0,
}
FREE = Price()
NO_UNITS = UnitRate()
FAILED_CALLS_COUNT = frozenset({"openrouter"})
"""Providers whose request windows also count calls that failed at their side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedModel:
    """What is particular to one model of a provider."""

    windows: tuple[Window, ...] | None = None
    """Its own windows; None: its provider's."""
    price: Price = FREE
    unit_rate: UnitRate = NO_UNITS
    context_window: int | None = None
    concurrency: int | None = None
    """Calls in flight per key, beside its provider's for all models; None: no further limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedProvider:
    """One provider: who may call it, how much, and how it behaves."""

    id: str
    keys: tuple[str, ...] = ()
    """Accepted secrets. Each is an account of its own, called `<id>#<n>` (n from 1) in all counts."""
    windows: tuple[Window, ...] = ()
    """Per key and model, unless `windows_shared`."""
    windows_shared: bool = False
    """All models of a key count against the same windows."""
    models: Mapping[str, SimulatedModel] = field(default_factory=dict)
    """The models that exist; empty: every name does."""
    concurrency: int | None = None
    """Calls in flight per key; None: any number."""
    charges: Charges = Charges.ACTUAL
    default_max_tokens: int = 1024
    """What a request without `max_tokens` is charged for when the provider charges upfront."""
    failed_calls_count: bool = False
    """A call that ends in an injected status still counts against the windows."""
    latency_ms: float = USUAL_MEDIAN_MS
    """Median time to an answer."""
    latency_sigma: float = 0.3
    """Spread: standard deviation of the logarithm."""
    answer_tokens: tuple[int, int] = (20, 160)
    """About the shortest and the longest answer that it gives of its own accord."""
    bytes_per_token: float = 4.0
    api_key_header: str | None = None
    """Header with the bare key; None: `Authorization: Bearer …`."""
    needs_key: bool = True

    def model(self, name: str) -> SimulatedModel | None:
        """What is particular to a model; None when the model does not exist."""
        if not self.models:
            return SimulatedModel()
        return self.models.get(name)

    def windows_of(self, model: str) -> tuple[Window, ...]:
        """What limits a model, each window once."""
        own = facts.windows if (facts := self.model(model)) else None
        return tuple(dict.fromkeys(self.windows if own is None else own))

    def labels(self) -> tuple[str, ...]:
        """The names of all accounts."""
        return tuple(f"{self.id}#{number}" for number in range(1, len(self.keys) + 1)) or (f"{self.id}#0",)


@dataclass(frozen=True, slots=True)
class SimulatedProfile:
    """Everything that one simulator serves, by provider id."""

    providers: Mapping[str, SimulatedProvider]


def secret_of(provider: str, number: int) -> str:
    """The secret of a simulated account, n from 1: `sim-groq-1`."""
    return f"sim-{provider}-{number}"


def profile_from(
    providers: Iterable[Provider], key_counts: Mapping[str, int], *, models: Iterable[Model] = ()
) -> SimulatedProfile:
    """Describe providers to the simulator, with as many accounts each as `key_counts` says (secrets: `secret_of`).

    Of `models`, each provider takes its own: windows, prices, units, context windows; a provider without any accepts every name.
    """
    of_provider: dict[str, dict[str, SimulatedModel]] = {}
    for model in models:
        of_provider.setdefault(model.provider, {})[model.name] = SimulatedModel(
            windows=model.limits,
            price=model.price,
            unit_rate=model.unit_rate,
            context_window=model.context_window,
            concurrency=model.concurrency,
        )
    described = (
        _describe(provider, keys=key_counts.get(provider.id, 0), models=of_provider.get(provider.id, {}))
        for provider in providers
    )
    return SimulatedProfile({provider.id: provider for provider in described})


def _describe(provider: Provider, *, keys: int, models: Mapping[str, SimulatedModel]) -> SimulatedProvider:
    return SimulatedProvider(
        id=provider.id,
        keys=tuple(secret_of(provider.id, number) for number in range(1, keys + 1)),
        windows=provider.limits,
        windows_shared=provider.limits_shared,
        models=models,
        concurrency=provider.concurrency,
        charges=provider.charges,
        failed_calls_count=provider.id in FAILED_CALLS_COUNT,
        latency_ms=MEDIANS_MS.get(provider.id, USUAL_MEDIAN_MS),
        api_key_header=provider.api_key_header,
        needs_key=provider.needs_key,
    )
