"""Why a model was taken, and what stood beside it: told once, with the result. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from pool_client.job import Alternative, Selection, Step
from pool_worker.completion.trail import Trail
from pool_worker.errors import AbandonedError
from pool_worker.limits.acquire import Lease
from pool_worker.routing.route import Choice, Route

MOST_ALTERNATIVES = 3
"""Also the most names in a reason: a result is kept for a day, and there may be a hundred candidates."""
SCORE_DIGITS = 3


def selection_of(lease: Lease, way: Route, asked: Sequence[Choice], trail: Trail, *, degraded: bool) -> Selection:
    """The selection that led to a lease.

    Args:
        lease: Of the model that answered.
        way: The candidates there were.
        asked: Whom the lease was asked of, in order; those before the one that gave it had no capacity.
        trail: What had been tried before.
        degraded: Whether it was a fallback that gave it.
    """
    chosen = lease.candidate.model
    scores = {choice.model.id: choice.score for choice in (*way.fallback, *way.choices)}
    failed = _failures(trail, but=chosen.id)
    names = [choice.model.id for choice in asked]
    passed = [name for name in names[: names.index(chosen.id)] if name not in failed]
    later = [choice.model.id for choice in way.choices if choice.model.id not in {chosen.id, *failed, *passed}]
    why_not = {**failed, **dict.fromkeys(passed, "it had no capacity then"), **dict.fromkeys(later, "it came later")}
    reason = _fallback_words(way) if degraded else _order_words(way, passed, list(failed), tier=chosen.tier.value)
    return Selection(
        score=_rounded(scores.get(chosen.id)),
        reason=reason,
        alternatives=[
            Alternative(model_id=name, score=_rounded(scores.get(name)), reason=why)
            for name, why in list(why_not.items())[:MOST_ALTERNATIVES]
        ],
    )


def _failures(trail: Trail, *, but: str) -> dict[str, str]:
    """Model id → how its last call for this job failed, of all models but this one."""
    calls = (call for call in trail.calls if call.outcome not in {Step.OK, AbandonedError.__name__})
    return {call.model_id: f"it failed: {call.outcome}" for call in calls if call.model_id and call.model_id != but}


def _fallback_words(way: Route) -> str:
    return f"a fallback: of {len(way.choices)} that fit none had capacity"


def _order_words(way: Route, passed: Sequence[str], failed: Sequence[str], *, tier: str) -> str:
    first = "first with capacity" if passed else "first"
    count = len(way.choices)
    words = "the only one that fits" if count == 1 else f"{first} of {count} that fit, {way.order}"
    had_none = f"; {_listed(passed)} had none then" if passed else ""
    had_failed = f"; {_listed(failed)} had failed" if failed else ""
    return f"{words} (tier {tier}){had_none}{had_failed}"


def _listed(names: Sequence[str]) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(names[:MOST_ALTERNATIVES])
    return f"{shown} and {len(names) - MOST_ALTERNATIVES} more" if len(names) > MOST_ALTERNATIVES else shown


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, SCORE_DIGITS)
