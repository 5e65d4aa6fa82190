"""Strategies: who decides, among the candidates that fit, in which order they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pool_client.job import Job
from pool_worker.registry import PRIORITY, SUITABILITY, Registry
from pool_worker.routing.choice import Choice


@dataclass(frozen=True, slots=True)
class Situation:
    """What a strategy may look at beside its choices."""

    job: Job
    registry: Registry
    save_money: bool
    """Whether so much of the day's budget is spent that cheaper models are to come first."""


Order = Callable[[Sequence[Choice], Situation], Iterable[Choice]]
"""Given the choices of one group in the pool's own order, those that are to be tried, the first in front."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """An order with the name that `pool.yaml` calls it by."""

    name: str
    order: Order


def as_they_are(choices: Sequence[Choice], _: Situation) -> Sequence[Choice]:
    """The pool's own order: see `pool_worker.routing.order`."""
    return choices


def by_score(choices: Sequence[Choice], _: Situation) -> Sequence[Choice]:
    """The most suitable first; equals as they are."""
    return sorted(choices, key=lambda choice: -(choice.score or 0.0))


BY_PRIORITY = Strategy(PRIORITY, as_they_are)
BY_SUITABILITY = Strategy(SUITABILITY, by_score)
OF_THE_HOUSE = {it.name: it for it in (BY_PRIORITY, BY_SUITABILITY)}
