"""What `acquire` chooses from, and what a call uses up. No I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from pool_worker import redis_keys
from pool_worker.limits.holds import group_scope, model_scope, provider_scope
from pool_worker.limits.windows import (
    BudgetWindow,
    CountedWindow,
    Terms,
    budget_facts,
    concurrency_facts,
    counted_windows,
    window_facts,
)
from pool_worker.registry import Model, Provider, Unit, Window


@dataclass(frozen=True, slots=True)
class Charge:
    """What one call uses up: an estimate before, the truth after."""

    requests: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    milli_units: int = 0
    """Thousandths of the provider's own units: a call takes a few of these, and a fraction."""

    def amounts(self, *, cost_micro_usd: int = 0) -> dict[str, int]:
        """The amount per window unit."""
        return {
            Unit.REQUESTS.value: self.requests,
            Unit.TOKENS.value: self.input_tokens + self.output_tokens,
            Unit.INPUT_TOKENS.value: self.input_tokens,
            Unit.OUTPUT_TOKENS.value: self.output_tokens,
            Unit.UNITS.value: self.milli_units,
            Unit.USD.value: cost_micro_usd,
        }


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model on one provider, as the route proposes it; any key of the provider may serve it."""

    model: Model
    provider: Provider
    windows: tuple[Window, ...]
    queue: str
    charge: Charge = Charge()
    """What the job would use up here."""
    cost_micro_usd: int = 0
    """What it may cost at most; a candidate that costs nothing needs no budget."""
    budget: BudgetWindow | None = None
    """The model's own."""

    def amounts(self) -> list[int]:
        """What the job would use up, in the order of `UNITS` in `acquire.lua`, which is that of `Unit`."""
        amounts = self.charge.amounts(cost_micro_usd=self.cost_micro_usd)
        return [amounts[unit.value] for unit in Unit]

    def counted(self) -> list[CountedWindow]:
        """The windows that a call is counted in."""
        return counted_windows(self.windows, self.provider.daily_unit)

    def redis_keys(self) -> tuple[str, str, str, str, str]:
        """What `acquire.lua` reads first: priorities, holds on provider and model, nobody free, the provider's health."""
        provider, model = self.provider.id, self.model.name
        return (
            redis_keys.ready_keys(provider, model),
            redis_keys.hold(provider_scope(provider)),
            redis_keys.hold(model_scope(provider, model)),
            redis_keys.nobody_free(provider, model),
            redis_keys.health(provider_scope(provider)),
        )

    def as_json(self) -> str:
        """The candidate as `acquire.lua` reads it, but for its amounts; written once per configuration, not once per job."""
        return _as_json(self.model.id, self.queue, self.windows, Terms.of(self.model, self.provider), self.budget)


@lru_cache(maxsize=4096)
def _as_json(model_id: str, queue: str, windows: tuple[Window, ...], terms: Terms, budget: BudgetWindow | None) -> str:
    provider, model = terms.provider, terms.model
    return json.dumps(
        {
            "model_id": model_id,
            "provider": provider,
            "model": model,
            "queue": queue,
            "ready": redis_keys.ready_keys(provider, model),
            "ready_prefix": redis_keys.ready_keys(provider, ""),
            "models": redis_keys.enrolled_models(provider),
            "group_keys": redis_keys.group_keys(provider, ""),
            "group_holds": [
                redis_keys.hold(group_scope(provider, "", model=model)),
                redis_keys.hold(group_scope(provider, "")),
            ],
            "windows": [
                *(window_facts(counted, terms) for counted in counted_windows(windows, terms.daily_unit)),
                *concurrency_facts(terms),
            ],
            **({"budget": budget_facts(budget)} if budget else {}),
        },
        separators=(",", ":"),
    )
