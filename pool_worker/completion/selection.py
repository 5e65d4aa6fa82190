"""Why a model was taken, and what stood beside it: told once, with the result. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from pool_client.job import Alternative, Selection, Step
from pool_worker.completion.trail import Trail
from pool_worker.errors import AbandonedError
from pool_worker.limits.acquire import Lease, LeftAlone
from pool_worker.routing.route import Choice, Route

MOST_ALTERNATIVES = 3
"""Also the most names in a reason: a result is kept for a day, and there may be a hundred candidates."""
SCORE_DIGITS = 3
UNPRICED = "its price is not known: that it cost 0 USD may be wrong"


def selection_of(lease: Lease, way: Route, asked: Sequence[Choice], trail: Trail, *, degraded: bool) -> Selection:
    """The selection that led to a lease.

    Args:
        lease: Of the model that answered.
        way: The candidates there were.
        asked: Whom the lease was asked of, in order; those before the one that gave it had no capacity, or were left alone.
        trail: What had been tried before.
        degraded: Whether it was a fallback that gave it.
    """
    chosen = lease.candidate.model
    choices = {choice.model.id: choice for choice in (*way.fallback, *way.choices)}
    failed, broken_off = _failures(trail, but=chosen.id), _broken_off(trail, but=chosen.id)
    called = failed | broken_off
    names = [choice.model.id for choice in asked]
    passed = [name for name in names[: names.index(chosen.id)] if name not in called]
    left_alone = {it.model_id: _left_alone_words(it) for it in lease.left_alone if it.model_id in passed}
    why_passed = "it could not be called then" if degraded else "it had no capacity then"
    why_not = failed | {name: left_alone.get(name, why_passed) for name in passed} | broken_off
    for other in way.choices:
        if other.model.id not in {chosen.id, *why_not}:
            why_not[other.model.id] = way.ranking.why_later(other, than=choices[chosen.id])
    reason = _order_words(way, passed, left_alone, failed, tier=chosen.tier.value)
    return Selection(
        score=_score(choices.get(chosen.id)),
        reason="; ".join([_fallback_words(way) if degraded else reason, *way.notes, *([UNPRICED] * (not chosen.price_known))]),
        alternatives=[
            Alternative(model_id=name, score=_score(choices.get(name)), reason=why)
            for name, why in list(why_not.items())[:MOST_ALTERNATIVES]
        ],
    )


def _failures(trail: Trail, *, but: str) -> dict[str, str]:
    """Model id → how its last call for this job failed, of all models but this one."""
    calls = (call for call in trail.calls if call.outcome not in {Step.OK, AbandonedError.__name__})
    return {call.model_id: f"it failed: {call.outcome}" for call in calls if call.model_id and call.model_id != but}


def _broken_off(trail: Trail, *, but: str) -> dict[str, str]:
    """Model id → why its call was given up, of all models but this one: nobody was to blame."""
    calls = (call for call in trail.calls if call.outcome == AbandonedError.__name__)
    return {call.model_id: f"its call was given up: {call.reason}" for call in calls if call.model_id and call.model_id != but}


def _left_alone_words(it: LeftAlone) -> str:
    if it.until_ms is None:
        return "it recovers from failures, and takes few calls as yet"
    return f"it is left alone after failures until {datetime.fromtimestamp(it.until_ms / 1000, UTC):%H:%M:%S} UTC"


def _fallback_words(way: Route) -> str:
    return f"a fallback: of {len(way.choices)} that fit none could be called then"


def _order_words(way: Route, passed: Sequence[str], left_alone: Collection[str], failed: Collection[str], *, tier: str) -> str:
    first = "first that could be called" if passed else "first"
    count = len(way.choices)
    words = "the only one that fits" if count == 1 else f"{first} of {count} that fit, {way.order}"
    no_capacity = [name for name in passed if name not in left_alone]
    others = {
        "; {} had no capacity then": no_capacity,
        "; left alone after failures: {}": list(left_alone),
        "; {} had failed": list(failed),
    }
    return f"{words} (tier {tier}){''.join(told.format(_listed(names)) for told, names in others.items() if names)}"


def _listed(names: Sequence[str]) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(names[:MOST_ALTERNATIVES])
    return f"{shown} and {len(names) - MOST_ALTERNATIVES} more" if len(names) > MOST_ALTERNATIVES else shown


def _score(choice: Choice | None) -> float | None:
    return None if choice is None or choice.score is None else round(choice.score, SCORE_DIGITS)
