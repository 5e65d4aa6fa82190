"""One call under a lease: attempt, settle, and if it failed, leave whoever is to blame alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pool_client.job import Job, Usage
from pool_worker.completion.estimates import charge_of, charge_of_answer, estimate_usage, max_tokens_to_send
from pool_worker.errors import AbandonedError, AttemptError
from pool_worker.health import blame
from pool_worker.limits.acquire import Lease
from pool_worker.limits.candidates import Charge
from pool_worker.limits.settle import refund, settle
from pool_worker.limits.windows import LONGEST_LEASE_MS
from pool_worker.protocols.answer import Answer
from pool_worker.providers.attempt import attempt
from pool_worker.registry import micro_usd
from pool_worker.resources import Resources

LEASE_MARGIN_S = 30.0
"""How much longer than its call a lease lives, so that it never ends under a call that still runs."""
LONGEST_CALL_S = LONGEST_LEASE_MS / 1000 - LEASE_MARGIN_S


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that brought an answer."""

    answer: Answer
    usage: Usage
    cost_usd: Decimal
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that did not."""

    error: AttemptError
    usage: Usage
    """What was (or may have been) used all the same."""
    cost_usd: Decimal
    ended_at: datetime


async def call(job: Job, lease: Lease, pool: Resources, *, sent_after_ms: int) -> Answered | Failed:
    """Make the call that the lease permits and account for it. `sent_after_ms`: how long ago the lease was asked for.

    Raises:
        asyncio.CancelledError: if it is to be broken off; `abandon` then accounts for it.
    """
    provider, model = lease.candidate.provider, lease.candidate.model
    try:
        success = await attempt(
            pool.http,
            provider=provider,
            model=model,
            secret=pool.secrets.get(lease.key_id, ""),
            job=job,
            max_tokens=max_tokens_to_send(job, model, provider),
            timeout_s=_timeout_s(job, provider.timeout_s, pool),
            now=pool.now,
        )
    except AttemptError as error:
        failed = _failed(job, lease, error, at=pool.now())
        await _settle_failure(failed, lease, pool, sent_after_ms=sent_after_ms)
        return failed
    ended_at, answer = pool.now(), success.answer
    usage = answer.usage if answer.usage_reported else estimate_usage(job, model)
    answered = Answered(answer, usage, model.price.cost_usd(usage), ended_at)
    charge = charge_of_answer(job, usage, model, provider)
    await _settle(lease, pool, charge=charge, cost_usd=answered.cost_usd, sent_after_ms=sent_after_ms)
    return answered


async def abandon(job: Job, lease: Lease, pool: Resources, *, sent_after_ms: int) -> Failed:
    """Account for a call that was broken off from our side: the provider may have done all of it."""
    failed = _failed(job, lease, AbandonedError(charged=True), at=pool.now())
    await _settle_failure(failed, lease, pool, sent_after_ms=sent_after_ms)
    return failed


def _failed(job: Job, lease: Lease, error: AttemptError, *, at: datetime) -> Failed:
    """What a failed call is taken to have used: nothing, or what was estimated if the provider may have done the work."""
    model = lease.candidate.model
    usage = estimate_usage(job, model) if error.charged else Usage()
    cost_usd = model.price.cost_usd(usage) if error.charged else Decimal(0)
    return Failed(error, usage, cost_usd, at)


async def _settle_failure(failed: Failed, lease: Lease, pool: Resources, *, sent_after_ms: int) -> None:
    error = failed.error
    blamed = blame(pool.redis, error, lease, now=pool.now())
    if error.status_code is None and not error.charged:
        await asyncio.gather(blamed, refund(pool.redis, lease.id))
    else:
        charge = charge_of(failed.usage, lease.candidate.model)
        settled = _settle(lease, pool, charge=charge, cost_usd=failed.cost_usd, sent_after_ms=sent_after_ms)
        await asyncio.gather(blamed, settled)


async def _settle(lease: Lease, pool: Resources, *, charge: Charge, cost_usd: Decimal, sent_after_ms: int) -> None:
    await settle(pool.redis, lease.id, actual=charge, cost_micro_usd=micro_usd(cost_usd), sent_after_ms=sent_after_ms)


def _timeout_s(job: Job, provider_s: float, pool: Resources) -> float:
    """The provider's, but no longer than the caller waits."""
    longest_s = min(provider_s, LONGEST_CALL_S)
    if job.deadline_at is None:
        return longest_s
    return max(0.05, min(longest_s, (job.deadline_at - pool.now()).total_seconds()))
