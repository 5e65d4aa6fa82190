"""In which order the models that fit are tried: groups, and the order inside of each. All orders are total: ids break ties."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from pool_client.job import Job, Priority, Tier
from pool_worker.registry import Registry
from pool_worker.routing.choice import Choice
from pool_worker.routing.strategy import BY_PRIORITY, BY_SUITABILITY, Situation, Strategy

_BEST_FIRST = (Tier.PREMIUM, Tier.PAID, Tier.FREE, Tier.LOCAL)

SortKey = Callable[[Choice], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """By what the candidates of one job are ordered."""

    words: str
    """As the end of a sentence."""
    key: SortKey
    """The smaller comes first."""
    behind: tuple[str, ...]
    """For each place of the key: why who has more there comes later."""
    group: Callable[[Choice], Any] = lambda _: None
    """The strategy orders those for which it is the same."""
    strategy: Strategy = BY_PRIORITY

    def why_later(self, other: Choice, *, than: Choice) -> str:
        """Why a candidate comes after another one."""
        if self.group(other) == self.group(than) and self.strategy is not BY_PRIORITY:
            if self.strategy is not BY_SUITABILITY:
                return f"the strategy {self.strategy.name} put it later"
            if (other.score or 0.0) < (than.score or 0.0):
                return LOWER_SCORE
        places = zip(self.behind, self.key(other), self.key(than), strict=True)
        why, its, the_others = next(place for place in places if place[1] != place[2])
        return why if its > the_others else OUT_OF_ORDER


LOWER_SCORE = "its score is lower"
OUT_OF_ORDER = "it was not asked, for time had been lost already"
_BY_PRIORITY = ("its priority is lower", "its provider's priority is lower", LOWER_SCORE, "it is as good, and later by name")
_BY_COST = ("its price is not known", "it would cost more", *_BY_PRIORITY)


def tiers_for(job: Job, registry: Registry) -> tuple[Tier, ...]:
    """The tiers that a job may use: its own, those after it in the failover strategy, then those before it, nearest first.

    A tier that is no part of the strategy (usually local) is left by no job that asks for it, and entered by no other.
    """
    chain = registry.failover.tiers
    if job.tier not in chain:
        return (job.tier,)
    at = chain.index(job.tier)
    return (job.tier, *chain[at + 1 :], *reversed(chain[:at]))


def ranking_of(situation: Situation, strategy: Strategy, *, tiers: tuple[Tier, ...]) -> Ranking:
    """By what the candidates of a job are ordered, which are of these tiers.

    low: what costs nothing by priority, then the rest by cost · critical: one group, the best tier first, whatever it costs ·
    otherwise: tier by tier, by priority, or by cost when money is to be saved.
    """
    by_priority = _by_priority(situation.registry)
    if situation.job.priority is Priority.CRITICAL:
        ranking = Ranking(
            words="the best tier first, whatever it costs",
            key=lambda choice: (_BEST_FIRST.index(choice.model.tier), *by_priority(choice)),
            behind=("its tier is not as good", *_BY_PRIORITY),
        )
    elif situation.job.priority is Priority.LOW:
        by_cost = _by_cost(by_priority)
        ranking = Ranking(
            words="those that cost nothing first, then the cheapest",
            group=lambda choice: choice.is_free,
            key=lambda choice: (not choice.is_free, *by_cost(choice)),
            behind=("it costs money, or may", *_BY_COST),
        )
    else:
        by_what = _by_cost(by_priority) if situation.save_money else by_priority
        ranking = Ranking(
            words="by cost, for the day's money runs low" if situation.save_money else "by priority",
            group=lambda choice: choice.model.tier,
            key=lambda choice: (tiers.index(choice.model.tier), *by_what(choice)),
            behind=("its tier comes later", *(_BY_COST if situation.save_money else _BY_PRIORITY)),
        )
    if strategy is BY_PRIORITY:
        return ranking
    return replace(ranking, words=f"by {strategy.name}", strategy=strategy)


def in_groups(choices: Iterable[Choice], ranking: Ranking, situation: Situation) -> tuple[tuple[Choice, ...], ...]:
    """The choices as groups in the order of trying: each in the pool's own order, then as the strategy has it. None is empty."""
    groups = (tuple(group) for _, group in groupby(sorted(choices, key=ranking.key), ranking.group))
    ordered = (tuple(ranking.strategy.order(group, situation)) for group in groups)
    return tuple(group for group in ordered if group)


def _by_priority(registry: Registry) -> SortKey:
    """The model's own priority counts (it inherits its provider's unless it has one), then the provider's, then the score."""

    def key(choice: Choice) -> tuple[Any, ...]:
        return (-choice.model.priority, -registry.provider_of(choice.model).priority, -(choice.score or 0.0), choice.model.id)

    return key


def _by_cost(otherwise: SortKey) -> SortKey:
    """The cheapest first; those of unknown price last."""

    def key(choice: Choice) -> tuple[Any, ...]:
        return (not choice.model.price_known, choice.estimated_cost_usd, *otherwise(choice))

    return key
