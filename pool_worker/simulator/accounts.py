"""One key's account at a provider: its windows, what was counted, and the verdict on each arrival."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pool_worker.registry import ALL_MODELS, Unit, Window
from pool_worker.simulator.profile import SimulatedProvider
from pool_worker.simulator.windows import TOLERANCE, Meter, meter_of

Amounts = Mapping[Unit, float]
"""What one request takes, by unit."""


@dataclass(slots=True)
class WindowCount:
    """One window of an account, with what the judge remembers of it."""

    scope: str
    """The model that it counts, or `*`."""
    meter: Meter
    admitted: float = 0.0
    peak: float = 0.0
    """The most that ever counted at once."""
    exceeded: int = 0
    """Arrivals that did not fit: refused, unless the simulator is lenient."""
    asked_over: float = 0.0
    """The largest excess that an arrival asked for."""

    @property
    def name(self) -> str:
        """`requests/minute/sliding`."""
        window = self.meter.window
        return f"{window.unit}/{window.per}/{window.kind}"

    @property
    def overshoot(self) -> float:
        """How far the peak was above the limit: 0 unless the simulator is lenient."""
        over = self.peak - self.meter.window.limit
        return over if over > TOLERANCE else 0.0


@dataclass(frozen=True, slots=True)
class Spent:
    """A window that an arrival does not fit."""

    name: str
    window: Window
    used: float
    requested: float
    wait_s: float
    """Until it fits if nothing else comes; infinity: never."""

    @property
    def never(self) -> bool:
        """Whether the request is larger than the whole window."""
        return math.isinf(self.wait_s)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a provider can tell about one window."""

    window: Window
    remaining: int
    reset_s: float
    """Until nothing counts any more."""


@dataclass(slots=True)
class Taken:
    """What the calls of one model have taken."""

    calls: int = 0
    amounts: Counter[Unit] = field(default_factory=Counter)
    busy_s: float = 0.0
    """For how long calls were in flight, in the simulator's time."""


@dataclass(slots=True)
class Tally:
    """What happened on one account."""

    requests: int = 0
    """Arrivals with this account's secret, whatever came of them."""
    admitted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By the window that refused (the one with the longest wait), or `concurrency`."""
    errors: Counter[str] = field(default_factory=Counter)
    """Wrong requests, by HTTP status."""
    faults: Counter[str] = field(default_factory=Counter)
    """Injected, by kind."""
    abandoned: int = 0
    """The client left before the answer."""
    charges: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    bill_usd: Decimal = Decimal(0)
    peak_in_flight: int = 0


class Account:
    """One key: every window of every model that it asked for. Nothing here waits or refuses by itself."""

    def __init__(self, provider: SimulatedProvider, label: str) -> None:
        self.provider = provider
        self.label = label
        self.tally = Tally()
        self.running: Counter[str] = Counter()
        """Calls in flight, by model."""
        self.taken: dict[str, Taken] = {}
        """By model."""
        self._counts: dict[str, list[WindowCount]] = {}
        """What limits a model, by model."""
        self._shared: dict[Window, WindowCount] = {}
        if provider.windows_shared:
            own = (window for model in provider.models.values() for window in model.windows or ())
            self._shared = {window: WindowCount(ALL_MODELS, meter_of(window)) for window in (*provider.windows, *own)}

    @property
    def in_flight(self) -> int:
        """Calls in flight of all models."""
        return self.running.total()

    def too_many(self, model: str) -> int | None:
        """The limit of calls in flight that one more call of a model would be above; None if it may come."""
        facts = self.provider.model(model)
        limits = ((self.in_flight, self.provider.concurrency), (self.running[model], facts.concurrency if facts else None))
        return next((limit for running, limit in limits if limit is not None and running >= limit), None)

    def weigh(self, model: str, amounts: Amounts, *, now_s: float) -> Spent | None:
        """Whether the request fits every window now; otherwise the window with the longest wait."""
        worst: Spent | None = None
        for count in self._of(model):
            meter = count.meter
            amount = amounts[meter.window.unit]
            used = meter.used(now_s)
            over = used + amount - meter.window.limit
            if over <= TOLERANCE or not amount:
                continue
            count.exceeded += 1
            count.asked_over = max(count.asked_over, over)
            wait_s = meter.fits_at(amount, now_s) - now_s
            if worst is None or wait_s > worst.wait_s:
                worst = Spent(count.name, meter.window, used, amount, wait_s)
        return worst

    def take(self, model: str, amounts: Amounts, *, now_s: float) -> None:
        """Count the request against every window: shared ones also when this model has other limits."""
        limiting = self._of(model)
        taken = self.taken.setdefault(model, Taken())
        taken.calls += 1
        taken.amounts.update(amounts)
        for count in self._shared.values() or limiting:
            count.meter.add(amounts[count.meter.window.unit], now_s)
        for count in limiting:
            count.admitted += amounts[count.meter.window.unit]
            count.peak = max(count.peak, count.meter.used(now_s))

    def standings(self, model: str, *, now_s: float) -> list[Standing]:
        """Where the windows stand, for headers."""
        return [
            Standing(
                window=count.meter.window,
                remaining=max(0, math.floor(count.meter.window.limit - count.meter.used(now_s))),
                reset_s=count.meter.empty_at(now_s) - now_s,
            )
            for count in self._of(model)
        ]

    def counts(self) -> Iterator[WindowCount]:
        """Every window that limited a request."""
        seen = {id(count): count for counts in self._counts.values() for count in counts}
        yield from seen.values()

    def _of(self, model: str) -> list[WindowCount]:
        if model not in self._counts:
            windows = self.provider.windows_of(model)
            self._counts[model] = [self._shared.get(window) or WindowCount(model, meter_of(window)) for window in windows]
        return self._counts[model]
