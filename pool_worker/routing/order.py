"""In which order the models that fit are tried: groups, and the order inside of each. All orders are total: ids break ties."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from pool_client.job import Job, Priority, Tier
from pool_worker.registry import Registry
from pool_worker.routing.choice import Choice
from pool_worker.routing.strategy import BY_PRIORITY, Situation, Strategy

_BEST_FIRST = (Tier.PREMIUM, Tier.PAID, Tier.FREE, Tier.LOCAL)

SortKey = Callable[[Choice], Any]


def tiers_for(job: Job, registry: Registry) -> tuple[Tier, ...]:
    """The tiers that a job may use: its own, those after it in the failover strategy, then those before it, nearest first.

    A tier that is no part of the strategy (usually local) is left by no job that asks for it, and entered by no other.
    """
    chain = registry.failover.tiers
    if job.tier not in chain:
        return (job.tier,)
    at = chain.index(job.tier)
    return (job.tier, *chain[at + 1 :], *reversed(chain[:at]))


def in_groups(
    choices: Iterable[Choice], *, situation: Situation, strategy: Strategy, tiers: tuple[Tier, ...]
) -> tuple[tuple[Choice, ...], ...]:
    """The choices as groups in the order of trying: each in the pool's own order, then as the strategy has it. None is empty.

    low: what costs nothing by priority, then the rest by cost · critical: one group, the best tier first, whatever it costs ·
    otherwise: tier by tier, by priority, or by cost when money is to be saved.
    """
    job, by_priority, fitting = situation.job, _by_priority(situation.registry), list(choices)
    if job.priority is Priority.CRITICAL:
        groups = [sorted(fitting, key=lambda choice: (_BEST_FIRST.index(choice.model.tier), *by_priority(choice)))]
    elif job.priority is Priority.LOW:
        free = [choice for choice in fitting if choice.is_free]
        paid = [choice for choice in fitting if not choice.is_free]
        groups = [sorted(free, key=by_priority), sorted(paid, key=_by_cost(by_priority))]
    else:
        order = _by_cost(by_priority) if situation.save_money else by_priority
        groups = [sorted((choice for choice in fitting if choice.model.tier is tier), key=order) for tier in tiers]
    ordered = (tuple(strategy.order(group, situation)) for group in groups if group)
    return tuple(group for group in ordered if group)


def order_in_words(situation: Situation, strategy: Strategy) -> str:
    """How `in_groups` orders, as the end of a sentence."""
    if strategy is not BY_PRIORITY:
        return f"by {strategy.name}"
    if situation.job.priority is Priority.CRITICAL:
        return "the best tier first, whatever it costs"
    if situation.job.priority is Priority.LOW:
        return "those that cost nothing first, then the cheapest"
    return "by cost, for the day's money runs low" if situation.save_money else "by priority"


def _by_priority(registry: Registry) -> Callable[[Choice], tuple[Any, ...]]:
    """The model's own priority counts (it inherits its provider's unless it has one), then the provider's, then the score."""

    def key(choice: Choice) -> tuple[Any, ...]:
        return (-choice.model.priority, -registry.provider_of(choice.model).priority, -(choice.score or 0.0), choice.model.id)

    return key


def _by_cost(otherwise: Callable[[Choice], tuple[Any, ...]]) -> SortKey:
    """The cheapest first; those of unknown price last."""

    def key(choice: Choice) -> tuple[bool, Decimal, tuple[Any, ...]]:
        return (not choice.model.price_known, choice.estimated_cost_usd, otherwise(choice))

    return key
