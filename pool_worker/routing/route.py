"""Routing: from a job and the registry to the candidates, in the order in which they may be tried, and why the others are not.

Who has quota left, and who is healthy, is not asked here: limits and health know, and they change by the millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from pool_client.job import Job, Priority, Tier, Usage
from pool_worker.limits.performance import Performance
from pool_worker.protocols.tokens import estimate_output_tokens
from pool_worker.registry import Model, Registry
from pool_worker.routing.choice import Choice
from pool_worker.routing.fitness import Question, why_unavailable, why_unfit
from pool_worker.routing.needs import Needs, needs_of
from pool_worker.routing.order import Ranking, in_groups, ranking_of, tiers_for
from pool_worker.routing.strategy import BY_PRIORITY, Situation, Strategy
from pool_worker.routing.suitability import scores

__all__ = ["Choice", "Route", "route"]

NOT_CONFIGURED = "no such model is configured"
NOTHING_SEEN = Performance()
AS_THEY_ARE = Ranking("", lambda _: (), ())
ALL_ARE_WELL: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Route:
    """Ordered candidates."""

    tiers: tuple[tuple[Choice, ...], ...]
    """Groups, the one to try first in front; none is empty."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    """Model id → why it does not fit the job."""
    fallback: tuple[Choice, ...] = ()
    """Where a job that takes a lesser answer may go when nobody else can: the configured fallback model, then local ones."""
    notes: tuple[str, ...] = ()
    """What the job asked for or preferred and does not get."""
    ranking: Ranking = field(default=AS_THEY_ARE, compare=False)
    """By what the candidates are ordered."""

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All candidates in order, groups forgotten."""
        return tuple(choice for group in self.tiers for choice in group)

    @property
    def order(self) -> str:
        """By what the candidates are ordered, in words."""
        return self.ranking.words


def route(
    job: Job,
    registry: Registry,
    *,
    estimated_tokens: int,
    now: datetime,
    excluded_models: frozenset[str] = frozenset(),
    excluded_providers: frozenset[str] = frozenset(),
    spent_fraction: Decimal = Decimal(0),
    performance: Performance = NOTHING_SEEN,
    availability: Mapping[str, float] = ALL_ARE_WELL,
    strategy: Strategy = BY_PRIORITY,
) -> Route:
    """The route of a job; costs some microseconds per model.

    Args:
        job: What is asked.
        registry: What there is.
        estimated_tokens: Of the input (`protocols.tokens.estimate_input_tokens`); the output is estimated per model.
        now: The present, UTC.
        excluded_models: Ids that have already failed for this job.
        excluded_providers: Ids to leave out, beside those that the job excludes.
        spent_fraction: Share of the day's budget that is spent: cheaper models come first from the alert threshold on, and
            paid ones are left out from 1 on if the budget pauses them.
        performance: How well models have answered of late.
        availability: Provider id → 0 (left alone now) to 1 (well), of those that are not well.
        strategy: Who has the last word on the order inside of a group.
    """
    budget = registry.budget
    question = Question(
        job=job,
        registry=registry,
        needs=needs_of(job, registry),
        excluded_models=excluded_models,
        excluded_providers=excluded_providers,
        paid_is_paused=budget.auto_pause and spent_fraction >= 1,
        performance=performance,
        now=now,
    )
    fitting, rejected = _sort_out(question, estimated_tokens=estimated_tokens, availability=availability)
    tiers = tuple(Tier) if job.model is not None else tiers_for(job, registry)
    fallback = _fallback(fitting, registry)
    reachable = [choice for choice in fitting if choice.model.tier in tiers]
    able, notes = _prefer(reachable, needs=question.needs, job=job)
    _explain(fitting, rejected, reachable=reachable, able=able, fallback=fallback, job=job)
    runs_low = spent_fraction >= budget.alert_threshold
    situation = Situation(job, registry, save_money=runs_low and job.priority in {Priority.LOW, Priority.NORMAL})
    ranking = ranking_of(situation, strategy, tiers=tiers)
    groups = in_groups(able, ranking, situation)
    _explain_left_out(able, groups, rejected, strategy=strategy)
    return Route(
        tiers=groups,
        rejected=rejected,
        fallback=fallback,
        notes=(*question.needs.notes, *notes),
        ranking=ranking,
    )


def _sort_out(
    question: Question, *, estimated_tokens: int, availability: Mapping[str, float]
) -> tuple[list[Choice], dict[str, str]]:
    """The models that could answer, and the reasons of those that could not."""
    fitting: list[tuple[Model, Decimal]] = []
    usages: dict[int, Usage] = {}  # most models would take the same
    takes: list[Usage] = []
    rejected: dict[str, str] = {}
    pinned = question.job.model
    if pinned is not None and pinned not in question.registry.models:
        rejected[pinned] = NOT_CONFIGURED
    for model in question.registry.models.values():
        why = why_unavailable(model, question)
        if why is None:
            output_tokens = estimate_output_tokens(question.job, model)
            usage = usages.get(output_tokens)
            if usage is None:
                usage = usages[output_tokens] = Usage(input_tokens=estimated_tokens, output_tokens=output_tokens)
            cost_usd = model.price.cost_usd(usage)
            why = why_unfit(model, usage=usage, cost_usd=cost_usd, question=question)
            if why is None:
                fitting.append((model, cost_usd))
                takes.append(usage)
        if why is not None:
            rejected[model.id] = why
    suits = scores(
        fitting,
        asked=(*question.needs.required, *question.needs.preferred),
        max_cost_usd=question.job.max_cost_usd,
        performance=question.performance,
        availability=availability,
    )
    choices = [
        Choice(model, cost_usd, usage, score) for (model, cost_usd), usage, score in zip(fitting, takes, suits, strict=True)
    ]
    return choices, rejected


def _prefer(reachable: list[Choice], *, needs: Needs, job: Job) -> tuple[list[Choice], tuple[str, ...]]:
    """Those with the capabilities of the task type; all of them, with a note, if there are none."""
    if job.model is not None or not needs.preferred:
        return reachable, ()
    able = [choice for choice in reachable if _can_all(choice.model, needs)]
    if able or not reachable:
        return able, ()
    words = ", ".join(each.word for each in needs.preferred)
    return reachable, (f"no model that fits has {words}, which tasks of type {job.task_type} prefer: any may be tried",)


def _can_all(model: Model, needs: Needs) -> bool:
    return all(each.is_among(model.capabilities) for each in needs.preferred)


def _fallback(fitting: list[Choice], registry: Registry) -> tuple[Choice, ...]:
    named = [choice for choice in fitting if choice.model.id == registry.failover.fallback_model]
    local = [choice for choice in fitting if choice.model.tier is Tier.LOCAL and choice not in named]
    return (*named, *sorted(local, key=lambda choice: (-choice.model.priority, choice.model.id)))


def _explain(
    fitting: list[Choice],
    rejected: dict[str, str],
    *,
    reachable: list[Choice],
    able: list[Choice],
    fallback: tuple[Choice, ...],
    job: Job,
) -> None:
    """Adds why those that could answer are not in the route all the same."""
    chosen = {choice.model.id for choice in (*able, *fallback)}
    within_reach = {choice.model.id for choice in reachable}
    for choice in fitting:
        model = choice.model
        if model.id in chosen:
            continue
        if model.id in within_reach:
            rejected[model.id] = f"it lacks what tasks of type {job.task_type} prefer"
        else:
            rejected[model.id] = f"its tier is {model.tier}, which a job of tier {job.tier} does not use"


def _explain_left_out(
    able: list[Choice], groups: tuple[tuple[Choice, ...], ...], rejected: dict[str, str], *, strategy: Strategy
) -> None:
    """Adds those that the strategy does not want to be tried."""
    if sum(map(len, groups)) < len(able):
        kept = {choice.model.id for group in groups for choice in group}
        left_out = (choice.model.id for choice in able if choice.model.id not in kept)
        rejected.update(dict.fromkeys(left_out, f"the strategy {strategy.name} leaves it out"))
