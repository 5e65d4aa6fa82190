"""The day's money: who may spend how much of it, and how much is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from redis.asyncio import Redis

from pool_client.job import Job
from pool_worker.limits.usage import spent_now
from pool_worker.limits.windows import BOUNDLESS, BudgetWindow
from pool_worker.registry import Model, Price, Registry, micro_usd

EVERYBODY = "all"


def agent_scope(agent: str) -> str:
    """The budget scope of one agent."""
    return f"agent:{agent}"


def agent_of(scope: str) -> str | None:
    """The agent whose budget scope it is; None: it is no agent's."""
    return scope.removeprefix(agent_scope("")) if scope.startswith(agent_scope("")) else None


def model_scope(model_id: str) -> str:
    """The budget scope of one model."""
    return f"model:{model_id}"


def key_scope(key_id: str) -> str:
    """The budget scope of one key."""
    return f"key:{key_id}"


def batch_scope(batch: str) -> str:
    """The budget scope of one batch."""
    return f"batch:{batch}"


def price_to_reserve(registry: Registry, model: Model) -> Price:
    """What a call is taken to cost before it is made: where that is not known, no less than on any model of which it is.

    So a model of unknown price is paused with the others that cost money, though its calls are booked as 0 USD.
    """
    if model.price_known:
        return model.price
    known = [other.price for other in registry.models.values() if other.is_active and other.price_known] or [Price()]
    return Price(
        input_usd_per_mtok=max(price.input_usd_per_mtok for price in known),
        output_usd_per_mtok=max(price.output_usd_per_mtok for price in known),
        usd_per_request=max(price.usd_per_request for price in known),
    )


def model_budget(registry: Registry, model: Model) -> BudgetWindow | None:
    """What may be spent today on one model, if that is bounded."""
    if model.daily_budget_usd is None:
        return None
    return BudgetWindow(model_scope(model.id), micro_usd(model.daily_budget_usd), registry.budget.timezone)


def budgets_of(registry: Registry, agent: str) -> tuple[BudgetWindow, ...]:
    """What may be spent today on a job of this agent: everybody's budget, and the agent's own where it has one."""
    budget, known = registry.budget, registry.agents.get(agent)
    everybody = BudgetWindow(EVERYBODY, micro_usd(budget.daily_usd), budget.timezone)
    if known is None or known.daily_budget_usd is None:
        return (everybody,)
    return everybody, BudgetWindow(agent_scope(agent), micro_usd(known.daily_budget_usd), budget.timezone)


def all_budgets(registry: Registry) -> tuple[BudgetWindow, ...]:
    """Everybody's daily budget, and those of the agents, models and keys that have one."""
    windows = [window for agent in ("", *registry.agents) for window in budgets_of(registry, agent)]
    models = [window for model in registry.models.values() if (window := model_budget(registry, model))]
    zone = registry.budget.timezone
    keyed = [(key, key.daily_budget_usd) for key in registry.keys if key.is_active and key.daily_budget_usd is not None]
    keys = [BudgetWindow(key_scope(key.id), micro_usd(usd), zone) for key, usd in keyed]
    return tuple(dict.fromkeys([*windows, *models, *keys]))


def binding_budgets(registry: Registry, job: Job) -> tuple[BudgetWindow, ...]:
    """The budgets in which a lease counts its money, beside the model's.

    Those of a day hold it back only if they are to pause paid models; the one of its batch does so always.
    """
    windows = tuple(_as_binding(window, registry) for window in budgets_of(registry, job.agent))
    if job.batch is None or job.batch_budget_usd is None:
        return windows
    return *windows, BudgetWindow(batch_scope(job.batch), micro_usd(job.batch_budget_usd), lasting=True)


def binding_model_budget(registry: Registry, model: Model) -> BudgetWindow | None:
    """The model's own budget, in which a lease counts its money, too."""
    budget = model_budget(registry, model)
    return budget and _as_binding(budget, registry)


def _as_binding(window: BudgetWindow, registry: Registry) -> BudgetWindow:
    return window if registry.budget.auto_pause else replace(window, limit_micro_usd=BOUNDLESS)


async def spent_fractions(redis: Redis, registry: Registry) -> Mapping[str, Decimal]:
    """Scope → share of its budget that is spent or reserved today; a budget of 0 counts as spent."""
    windows = all_budgets(registry)
    spent = await spent_now(redis, windows)
    return {
        window.scope: Decimal(amount) / window.limit_micro_usd if window.limit_micro_usd else Decimal(1)
        for window, amount in zip(windows, spent, strict=True)
    }
