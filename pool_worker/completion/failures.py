"""The error answer of a job that could not be completed, drawn from its trail. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pool_client.errors import (
    AuthenticationError,
    BudgetExceededError,
    CompletionError,
    FailoverError,
    ModelUnavailableError,
    PoolError,
    ProviderError,
    RateLimitError,
)
from pool_client.job import Failure, Job
from pool_worker.completion.obstacles import Kind, grouped, kinds_of, reasons_of
from pool_worker.completion.trail import Trail
from pool_worker.config.mistakes import did_you_mean
from pool_worker.errors import AuthenticationFailedError
from pool_worker.limits.acquire import Exhausted
from pool_worker.limits.windows import MONEY_PER_DAY
from pool_worker.routing.route import NOT_CONFIGURED

RESERVED_S = 5.0
"""Money that is free so soon was not spent; see `SOON_MS` in `limits/lua/clock.lua`."""
BUDGET = "budget "
"""How the name of whoever is free first begins where that is money (`pool_worker.limits.windows.budget_facts`)."""


def nobody_left(job: Job, rejected: Mapping[str, str], trail: Trail) -> CompletionError:
    """The error for a job without a candidate: none ever fitted, or each that did has failed."""
    if not trail.calls and job.model is not None:
        return ModelUnavailableError(f"{job.model}, to which the job is pinned: {_why_not(job.model, rejected)}")
    if not trail.calls:
        reasons = grouped(rejected) or "no model has a key"
        return ModelUnavailableError(f"no model fits this job ({reasons})")
    reasons = grouped(trail.reasons())
    if trail.only_refused_keys:
        return AuthenticationError(f"no key was accepted ({reasons})")
    return FailoverError(f"every candidate failed ({reasons})")


def enough_failed(trail: Trail) -> CompletionError:
    """The error for a job that has made as many calls in vain as a job may."""
    reasons = grouped(trail.reasons())
    return FailoverError(f"{len(trail.failovers)} calls have failed, and no more are made for one job (max_attempts) ({reasons})")


def _why_not(pinned: str, rejected: Mapping[str, str]) -> str:
    why = rejected.get(pinned, "does not fit")
    return f"{why}; {did_you_mean(pinned, rejected.keys() - {pinned})}" if why == NOT_CONFIGURED else why


def nobody_free(place: Exhausted, trail: Trail, *, now: datetime) -> CompletionError:
    """The error for a job that does not wait for this capacity, or would wait for ever: why each model did not answer it."""
    if place.retry_at_ms is None and is_of_money(place):
        msg = f"no money is left that this job may need ({place.reason}: that is for the longest answer, which max_tokens bounds)"
        return BudgetExceededError(msg)
    if place.retry_at_ms is None:
        return ModelUnavailableError(f"no quota will ever fit this job ({place.reason})")
    reasons = grouped(trail.reasons() | reasons_of(place, now=now)) or place.reason
    if is_of_money(place):
        return BudgetExceededError(f"today's money is spent ({reasons})")
    kinds = kinds_of(place.obstacles.values())
    if kinds == {Kind.FAILURES}:
        return ProviderError(f"every model is left alone after failures ({reasons})")
    return RateLimitError(f"{'every quota is spent' if kinds == {Kind.QUOTA} else 'no model is free'} ({reasons})")


def is_of_money(place: Exhausted) -> bool:
    """Whether it is a budget that is spent, and no quota."""
    return place.who.startswith(BUDGET) or place.reason.endswith(MONEY_PER_DAY)


def is_only_reserved(place: Exhausted, *, now: datetime) -> bool:
    """Whether the money that is in the way is reserved for calls in flight: what they do not need comes back in a moment."""
    soon_ms = 1000 * (now.timestamp() + RESERVED_S)
    return is_of_money(place) and place.retry_at_ms is not None and place.retry_at_ms < soon_ms


def is_locked_out(place: Exhausted, trail: Trail) -> bool:
    """Whether waiting is for nothing but keys that are refused, as were all that this job tried: no time mends them."""
    return trail.only_refused_keys and place.reason.startswith(f"{place.who}: {AuthenticationFailedError.__name__}")


def failure_of(
    job: Job,
    error: PoolError,
    trail: Trail,
    *,
    at: datetime,
    retry_after_s: float | None = None,
    place: Exhausted | None = None,
) -> Failure:
    """What the caller is told. `place`: what stood in the way of the models that were not called last."""
    attempted = trail.reasons()
    return Failure(
        job_id=job.id,
        type=type(error).__name__,
        message=str(error),
        model=job.model,
        retryable=error.retryable,
        retry_after_s=retry_after_s,
        attempted_models=list(attempted),
        reasons=attempted | (reasons_of(place, now=at) if place else {}),
        attempts=trail.attempts,
        at=at,
    )
