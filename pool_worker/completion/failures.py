"""The error answer of a job that could not be completed, drawn from its trail. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pool_client.errors import AuthenticationError, CompletionError, FailoverError, ModelUnavailableError, PoolError
from pool_client.job import Failure, Job
from pool_worker.completion.trail import Trail
from pool_worker.errors import AuthenticationFailedError


def nobody_left(job: Job, rejected: Mapping[str, str], trail: Trail) -> CompletionError:
    """The error for a job without a candidate: none ever fitted, or each that did has failed."""
    if not trail.calls and job.model is not None:
        return ModelUnavailableError(f"{job.model}, to which the job is pinned: {rejected.get(job.model, 'does not fit')}")
    if not trail.calls:
        reasons = "; ".join(f"{model}: {reason}" for model, reason in rejected.items()) or "no model has a key"
        return ModelUnavailableError(f"no model fits this job ({reasons})")
    reasons = "; ".join(f"{model}: {reason}" for model, reason in trail.reasons().items())
    if all(call.outcome == AuthenticationFailedError.__name__ for call in trail.calls):
        return AuthenticationError(f"no key was accepted ({reasons})")
    return FailoverError(f"every candidate failed ({reasons})")


def failure_of(job: Job, error: PoolError, trail: Trail, *, at: datetime, retry_after_s: float | None = None) -> Failure:
    """What the caller is told."""
    reasons = trail.reasons()
    return Failure(
        job_id=job.id,
        type=type(error).__name__,
        message=str(error),
        model=job.model,
        retryable=error.retryable,
        retry_after_s=retry_after_s,
        attempted_models=list(reasons),
        reasons=reasons,
        attempts=trail.attempts,
        at=at,
    )
