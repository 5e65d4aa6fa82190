"""Whether one model can answer one job, and if not, why not, in words for the caller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from pool_client.job import Job, Usage
from pool_worker.limits.performance import Performance
from pool_worker.protocols import PROTOCOLS
from pool_worker.registry import Model, Provider, Registry
from pool_worker.routing.needs import Needs


@dataclass(frozen=True, slots=True)
class Question:
    """The job with everything that speaks against a model: what it needs, and what is left out of account."""

    job: Job
    registry: Registry
    needs: Needs
    excluded_models: frozenset[str]
    excluded_providers: frozenset[str]
    paid_is_paused: bool
    performance: Performance
    now: datetime


def why_unavailable(model: Model, question: Question) -> str | None:
    """Why the model is not to be asked, whatever the job would take there; None: it may be."""
    job, provider = question.job, question.registry.provider_of(model)
    if job.model is not None and model.id != job.model:
        return f"the job is pinned to {job.model}"
    if model.id in question.registry.unusable_models:
        return question.registry.unusable_models[model.id]
    if provider.protocol not in PROTOCOLS:
        return f"provider {provider.id} speaks {provider.protocol}, which is not supported"
    if "withdrawn_on" in model.metadata and _is_withdrawn(model, question.now):
        return f"it was withdrawn on {model.metadata['withdrawn_on']}"
    if model.id in question.excluded_models:
        return "it has already failed for this job"
    return _why_excluded(provider, question) or _why_slow(model, question)


def why_unfit(model: Model, *, usage: Usage, cost_usd: Decimal, question: Question) -> str | None:
    """Why the job does not fit the model, or not the caller's or the day's money; None: it does."""
    return _why_unable(model, usage=usage, question=question) or _why_unaffordable(model, cost_usd=cost_usd, question=question)


def _why_excluded(provider: Provider, question: Question) -> str | None:
    if not question.job.excluded_providers and not question.excluded_providers:
        return None
    names = {provider.id, *provider.aliases}
    if not names.isdisjoint(question.job.excluded_providers):
        return f"the job excludes provider {provider.id}"
    return None if names.isdisjoint(question.excluded_providers) else f"provider {provider.id} is left out for now"


def _why_slow(model: Model, question: Question) -> str | None:
    """A model of which too little is known may be fast enough."""
    bound_ms = question.job.max_latency_ms
    median_ms = None if bound_ms is None else question.performance.median_ms(model.id)
    if bound_ms is None or median_ms is None or median_ms <= bound_ms:
        return None
    return f"its calls took {median_ms:,.0f} ms of late (median), the job asks for {bound_ms:,} at most"


def _why_unable(model: Model, *, usage: Usage, question: Question) -> str | None:
    if question.needs.required:
        missing = [need.word for need in question.needs.required if not need.is_among(model.capabilities)]
        if missing:
            return f"it lacks {', '.join(missing)}"
    if model.context_window is not None and usage.total_tokens > model.context_window:
        return f"the job takes about {usage.total_tokens:,} tokens, its context holds {model.context_window:,}"
    return None


def _why_unaffordable(model: Model, *, cost_usd: Decimal, question: Question) -> str | None:
    bound = question.job.max_cost_usd
    if bound is not None and not model.price_known:
        return f"its price is not known, and the job may cost {bound} USD"
    if bound is not None and cost_usd > bound:
        return f"it would cost about {cost_usd:.6f} USD, the job may cost {bound}"
    if question.paid_is_paused and (cost_usd > 0 or not model.price_known):
        return "the day's budget is spent: paid models are paused"
    return None


def _is_withdrawn(model: Model, now: datetime) -> bool:
    """`metadata: {withdrawn_on: 2026-08-16}`: a retirement that was announced, from that day (UTC) on."""
    day = model.metadata.get("withdrawn_on")
    if isinstance(day, str):
        try:
            day = date.fromisoformat(day)
        except ValueError:
            return False
    return isinstance(day, date) and now.date() >= day
