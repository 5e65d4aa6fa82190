"""One call under a lease: the attempt, and what Redis is to be told of it (its settlement, and who is to blame)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from pool_client.job import Job, Usage
from pool_worker.completion.estimates import charge_of_answer, estimate_usage, max_tokens_to_send
from pool_worker.completion.owed import Telling
from pool_worker.completion.speaking import Speaker
from pool_worker.errors import (
    AbandonedError,
    AttemptError,
    AuthenticationFailedError,
    CutShortError,
    KeyReplacedError,
    WindowSpentError,
)
from pool_worker.health import blame, reason_of, tell_well, well
from pool_worker.limits import performance
from pool_worker.limits.acquire import Lease
from pool_worker.limits.candidates import Charge
from pool_worker.limits.holds import group_scope, hold
from pool_worker.limits.periods import period_ms
from pool_worker.limits.settle import Settlement, unused, used
from pool_worker.limits.token_history import seen
from pool_worker.limits.windows import LONGEST_LEASE_MS
from pool_worker.observed import Observed
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.tokens import estimate_input_tokens
from pool_worker.providers.attempt import attempt
from pool_worker.registry import Model, Registry, micro_usd, window_name
from pool_worker.resources import Resources
from pool_worker.resources.following import has_replaced
from pool_worker.resources.keyring import secret_of

LEASE_MARGIN_S = 30.0
"""How much longer than its call a lease lives, so that it never ends under a call that still runs."""
ASK_AGAIN_AFTER_MS = 3_600_000
"""Where a provider says that nothing remains, and not until when."""
OVERTAKEN = "another call brought the answer first"
LONGEST_CALL_S = LONGEST_LEASE_MS / 1000 - LEASE_MARGIN_S


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that brought an answer."""

    answer: Answer
    usage: Usage
    cost_usd: Decimal
    ended_at: datetime
    settlement: Settlement
    """Told with the job's end."""
    tokens_seen: dict[str, float]
    """For the history of tokens."""
    owed: tuple[Telling, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that did not."""

    error: AttemptError
    usage: Usage
    """What was (or may have been) used all the same."""
    cost_usd: Decimal
    ended_at: datetime
    settlement: Settlement
    """Told with the call's row."""
    owed: tuple[Telling, ...]


class Sending:
    """When the request of a lease went out; until it did, now."""

    def __init__(self, asked_at: float) -> None:
        self._asked_at = asked_at
        self._sent_at: float | None = None

    def note(self) -> None:
        """It goes out now."""
        self._sent_at = time.monotonic()

    @property
    def took_ms(self) -> float:
        """How long ago it went out."""
        return 0.0 if self._sent_at is None else 1000 * (time.monotonic() - self._sent_at)

    @property
    def after_ms(self) -> int:
        """How long after the lease was asked for."""
        return round(((self._sent_at or time.monotonic()) - self._asked_at) * 1000)


async def call(job: Job, lease: Lease, pool: Resources, *, sending: Sending) -> Answered | Failed:
    """Make the call that the lease permits.

    Raises:
        asyncio.CancelledError: if it is to be broken off; `abandoned` then says what is owed.
    """
    provider, model = lease.candidate.provider, lease.candidate.model
    secret = ""
    try:
        secret = await secret_of(provider, lease.key_id, pool)
        async with Speaker(pool.redis, job.id, attempt_id=lease.id) as speaker:
            success = await attempt(
                pool.http,
                provider=provider,
                model=model,
                secret=secret,
                job=job,
                max_tokens=max_tokens_to_send(job, lease),
                timeout_s=_timeout_s(job, provider.timeout_s, pool),
                now=pool.now,
                on_sent=sending.note,
                on_text=speaker.say,
            )
    except AttemptError as error:
        return _failed(job, lease, pool, await _as_of_now(error, lease, pool, secret=secret), sending=sending)
    took_ms, ended_at, answer = sending.took_ms, pool.now(), success.answer
    usage = answer.usage if answer.usage_reported else estimate_usage(job, model)
    cost_usd = model.price.cost_usd(usage)
    charge = charge_of_answer(usage, lease)
    settled = used(
        lease.id,
        actual=charge,
        cost_micro_usd=micro_usd(cost_usd),
        sent_after_ms=sending.after_ms,
        observed=success.observed,
        well=well(lease),
        seen=performance.answered(model.id, latency_ms=took_ms),
    )
    return Answered(
        answer,
        usage,
        cost_usd,
        ended_at,
        settled,
        tokens_seen=_tokens_seen(job, model, answer, pool.registry),
        owed=(*_holds(success.observed, lease, pool, now=ended_at), *_news(lease, pool, now=ended_at)),
    )


def abandoned(job: Job, lease: Lease, pool: Resources, *, sending: Sending, reason: str = "") -> Failed:
    """A call that was broken off from our side: the provider may have done all of it."""
    return _failed(job, lease, pool, AbandonedError(reason, charged=True), sending=sending)


def cut_short(done: Answered) -> Failed:
    """An answer that a bound of ours has ended: of no use, and paid for."""
    reason = f"the answer was longer than {done.usage.output_tokens} tokens, which is what it was expected to take at most"
    return _of_no_use(done, CutShortError(reason, charged=True))


def not_needed(done: Answered) -> Failed:
    """An answer that came when there was one already: paid for, and of no use."""
    return _of_no_use(done, AbandonedError(OVERTAKEN, charged=True))


def _of_no_use(done: Answered, error: AttemptError) -> Failed:
    return Failed(error, done.usage, done.cost_usd, done.ended_at, done.settlement, done.owed)


def _tokens_seen(job: Job, model: Model, answer: Answer, registry: Registry) -> dict[str, float]:
    if not answer.usage_reported:
        return {}
    return seen(
        model.id,
        registry.kind_of_agent(job.agent),
        estimated_input=estimate_input_tokens(job.messages, tools=job.tools),
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
    )


def _holds(observed: Iterable[Observed], lease: Lease, pool: Resources, *, now: datetime) -> tuple[Telling, ...]:
    """A window that is not configured, and of which the provider says that nothing remains, is waited for."""
    candidate = lease.candidate
    counted = {(window.unit, window.per) for window in candidate.windows}
    spent = (it for it in observed if it.remaining == 0 and (it.unit, it.per) not in counted)
    scope = group_scope(candidate.provider.id, lease.group, model=candidate.provider.scope_of(candidate.model.name))
    return tuple(
        partial(hold, pool.redis, scope, ttl_ms=_until_full_ms(it, now=now), reason=reason_of(_none_remain(it))) for it in spent
    )


def _news(lease: Lease, pool: Resources, *, now: datetime) -> tuple[Telling, ...]:
    return (partial(tell_well, pool.redis, lease, now=now),) if lease.success_is_news else ()


def _none_remain(window: Observed) -> WindowSpentError:
    return WindowSpentError(f"no {window_name(window.unit, window.per)} remain")


def _until_full_ms(window: Observed, *, now: datetime) -> int:
    if window.reset_at is None:
        return min(period_ms(window.per), ASK_AGAIN_AFTER_MS)
    return max(1, round((window.reset_at - now) / timedelta(milliseconds=1)))


def _failed(job: Job, lease: Lease, pool: Resources, error: AttemptError, *, sending: Sending) -> Failed:
    """What a failed call is taken to have used: nothing, or what was estimated if the provider may have done the work."""
    model, now = lease.candidate.model, pool.now()
    usage = estimate_usage(job, model, text_bytes=error.text_bytes) if error.charged else Usage()
    cost_usd = model.price.cost_usd(usage) if error.charged else Decimal(0)
    seen_failing = performance.failed(model.id, error)
    if error.status_code is None and not error.charged:
        ended = unused(lease.id, seen=seen_failing)
    else:
        charge, cost_micro_usd = lease.candidate.charge if error.charged else Charge(), micro_usd(cost_usd)
        ended = used(
            lease.id,
            actual=charge,
            cost_micro_usd=cost_micro_usd,
            sent_after_ms=sending.after_ms,
            observed=error.observed,
            seen=seen_failing,
        )
    return Failed(error, usage, cost_usd, now, ended, (partial(blame, pool.redis, error, lease, now=now),))


async def _as_of_now(error: AttemptError, lease: Lease, pool: Resources, *, secret: str) -> AttemptError:
    """A key that was rotated or revoked while it was called is not to blame for being refused."""
    is_refused = isinstance(error, AuthenticationFailedError) and lease.candidate.provider.needs_key
    if is_refused and await has_replaced(lease.key_id, secret, pool):
        return KeyReplacedError(status_code=error.status_code)
    return error


def _timeout_s(job: Job, provider_s: float, pool: Resources) -> float:
    """The provider's, but no longer than the caller waits."""
    longest_s = min(provider_s, LONGEST_CALL_S)
    if job.deadline_at is None:
        return longest_s
    return max(0.05, min(longest_s, (job.deadline_at - pool.now()).total_seconds()))
