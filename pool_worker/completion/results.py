"""The answer of a job that was completed: a model's that was called for it, or one that is kept. No I/O."""

from __future__ import annotations

from pool_client.job import Attempt, Job, Result
from pool_worker.cache import Kept
from pool_worker.completion.calling import Answered
from pool_worker.completion.capacity import Leased
from pool_worker.completion.selection import selection_of
from pool_worker.completion.trail import Trail
from pool_worker.limits.acquire import Lease
from pool_worker.registry import WarningRules


def result_of(job: Job, leased: Leased, done: Answered, attempt: Attempt, trail: Trail, *, rules: WarningRules) -> Result:
    """What the caller gets of a call that was answered. `attempt`: that call, on the trail."""
    model = leased.lease.candidate.model
    return Result(
        job_id=job.id,
        content=done.answer.content,
        model_id=model.id,
        provider=model.provider,
        finish_reason=done.answer.finish_reason,
        tool_calls=done.answer.tool_calls,
        reasoning=done.answer.reasoning or None,
        usage=done.usage,
        cost_usd=trail.cost_usd,
        latency_ms=attempt.latency_ms,
        degraded=leased.degraded,
        quota_warning=quota_warning(leased.lease, rules),
        selection=selection_of(leased.lease, leased.route, leased.asked, trail, degraded=leased.degraded),
        attempts=trail.attempts,
    )


def answered_before(job: Job, kept: Kept, trail: Trail, *, degraded: bool = False) -> Result:
    """What the caller gets of an answer that is kept. `degraded`: it is a last resort."""
    return Result(
        **kept.model_dump(),
        job_id=job.id,
        cached=True,
        degraded=degraded,
        cost_usd=trail.cost_usd,
        attempts=trail.attempts,
    )


def quota_warning(lease: Lease, rules: WarningRules) -> str | None:
    """What the caller is told when a quota of the key that served it is nearly used up."""
    if not any(lease.percent_used >= 100 * threshold for threshold in rules.quota_thresholds):
        return None
    return f"{lease.key_id}: {lease.percent_used}% of its {lease.fullest_window} are used"
