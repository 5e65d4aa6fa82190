"""The trail of a job: every attempt and every hop, in order, and what follows from it for the next step. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from pool_client.job import Attempt, Step, Usage
from pool_worker.errors import FAILOVERS, KINDS, AttemptError, AuthenticationFailedError, CutShortError, Scope
from pool_worker.registry import Model

_PROVIDER_FAILED = frozenset(kind.__name__ for kind in KINDS if kind.scope is Scope.PROVIDER)
_MODEL_FAILED = frozenset(kind.__name__ for kind in KINDS if kind.scope is Scope.MODEL and not kind.needs_person)
_MODEL_IS_USELESS = frozenset(
    kind.__name__ for kind in KINDS if kind.scope is Scope.REQUEST_ON_MODEL or (kind.scope is Scope.MODEL and kind.needs_person)
)
"""Whom it happens to need not be tried again for this job: neither time nor another key mends it."""


@dataclass(frozen=True, slots=True)
class Call:
    """When and with which key a provider was called, and what it used and cost."""

    lease_id: str
    key_id: str
    started_at: datetime
    ended_at: datetime
    usage: Usage
    cost_usd: Decimal


class Trail:
    """What has been tried for a job, here and on the workers before."""

    def __init__(self, attempts: Iterable[Attempt], *, queue: str, now: Callable[[], datetime]) -> None:
        self.attempts = list(attempts)
        self._queue = queue
        self._now = now

    def answered(self, model: Model, call: Call) -> Attempt:
        """A provider answered."""
        return self._add(Step.OK, call=call, model=model)

    def failed(self, model: Model, call: Call, *, error: AttemptError) -> Attempt:
        """A provider did not answer, or not usefully."""
        return self._add(type(error).__name__, call=call, model=model, reason=error.reason, status_code=error.status_code)

    def moved(self, queue: str) -> Attempt:
        """The job goes on to a sibling queue, whose workers have capacity."""
        return self._add(Step.MOVED, reason=f"capacity is free at {queue}")

    def paused(self, reason: str) -> Attempt:
        """Every candidate failed; the job rests before it tries them again."""
        return self._add(Step.PAUSED, reason=reason)

    @property
    def pauses(self) -> int:
        """How often every candidate had failed."""
        return sum(attempt.outcome == Step.PAUSED for attempt in self.attempts)

    @property
    def hops_since_pause(self) -> int:
        """How often the job was sent to a sibling queue since its last rest."""
        return sum(attempt.outcome == Step.MOVED for attempt in self._since_pause())

    @property
    def failed_since_pause(self) -> bool:
        """Whether a call failed for a reason that a rest may mend."""
        return any(attempt.outcome in _MODEL_FAILED | _PROVIDER_FAILED for attempt in self._since_pause())

    @property
    def only_refused_keys(self) -> bool:
        """Whether calls were made, and every one of them failed because its key was not accepted."""
        calls = self.calls
        return bool(calls) and all(call.outcome == AuthenticationFailedError.__name__ for call in calls)

    @property
    def cut_at(self) -> int:
        """The tokens at which an answer was cut short by a bound of ours; 0 if none was."""
        cut = (call.usage.output_tokens for call in self.calls if call.outcome == CutShortError.__name__)
        return max(cut, default=0)

    @property
    def cost_usd(self) -> Decimal:
        """What all attempts cost together."""
        return sum((attempt.cost_usd for attempt in self.attempts), Decimal(0))

    @property
    def calls(self) -> list[Attempt]:
        """The attempts that called a provider."""
        return [attempt for attempt in self.attempts if attempt.is_call]

    @property
    def failovers(self) -> list[Attempt]:
        """The calls that were made in vain (`AttemptError.is_failover`), whenever."""
        return [attempt for attempt in self.attempts if attempt.outcome in FAILOVERS]

    @property
    def excluded_models(self) -> frozenset[str]:
        """Models that are not to be tried: never again if they are of no use to this request, else until the next pause."""
        useless = (call.model_id for call in self.calls if call.outcome in _MODEL_IS_USELESS)
        failed = (attempt.model_id for attempt in self._since_pause() if attempt.outcome in _MODEL_FAILED)
        return frozenset(model_id for model_id in (*useless, *failed) if model_id)

    @property
    def excluded_providers(self) -> frozenset[str]:
        """Providers that failed since the last pause."""
        failed = (attempt.provider for attempt in self._since_pause() if attempt.outcome in _PROVIDER_FAILED)
        return frozenset(provider for provider in failed if provider)

    def reasons(self) -> dict[str, str]:
        """Model id → why it did not answer, the latest reason."""
        failed = (call for call in self.calls if call.model_id and call.outcome != Step.OK)
        return {str(call.model_id): f"{call.outcome}: {call.reason}" for call in failed}

    def _since_pause(self) -> list[Attempt]:
        pauses = [index for index, attempt in enumerate(self.attempts) if attempt.outcome == Step.PAUSED]
        return self.attempts[pauses[-1] + 1 :] if pauses else self.attempts

    def _add(
        self,
        outcome: str,
        *,
        call: Call | None = None,
        model: Model | None = None,
        reason: str = "",
        status_code: int | None = None,
    ) -> Attempt:
        started_at = call.started_at if call else self._now()
        attempt = Attempt(
            **({"id": call.lease_id} if call else {}),
            number=len(self.attempts) + 1,
            outcome=outcome,
            provider=model.provider if model else None,
            model_id=model.id if model else None,
            key_id=call.key_id if call else None,
            queue=self._queue,
            reason=reason,
            status_code=status_code,
            started_at=started_at,
            latency_ms=_ms(call.ended_at - call.started_at) if call else 0.0,
            added_ms=self._added_ms(started_at),
            usage=call.usage if call else Usage(),
            cost_usd=call.cost_usd if call else Decimal(0),
        )
        self.attempts.append(attempt)
        return attempt

    def _added_ms(self, started_at: datetime) -> float:
        if not self.attempts:
            return 0.0
        last = self.attempts[-1]
        return _ms(started_at - last.started_at - timedelta(milliseconds=last.latency_ms))


def _ms(duration: timedelta) -> float:
    """Milliseconds, never below zero: two workers' clocks may differ."""
    return max(0.0, round(duration / timedelta(milliseconds=1), 3))
